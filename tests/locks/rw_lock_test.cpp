// SPDX-License-Identifier: Apache-2.0
#include <shared_mutex>
#include <thread>

#include "dcache/rw_lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"

TEST_CASE_FIXTURE(OneCache, "readers hold a lock together, and a writer alone") {
  SyncRWLock lock(cache, "k");
  SyncRWLock other(cache, "k");
  const std::shared_lock reading(lock);
  elsewhere([&] {
    CHECK(lock.try_lock_shared());
    CHECK(lock.owned());
    CHECK_FALSE(other.try_lock());
    lock.unlock_shared();
    CHECK_FALSE(lock.owned());
  });
  CHECK(lock.owned());
  CHECK(locks(cache).front().holders.size() == 1);
  lock.unlock_shared();
  elsewhere([&] {
    const std::unique_lock writing(other);
    elsewhere([&] {
      CHECK_FALSE(lock.try_lock_shared());
      CHECK_FALSE(lock.try_lock_shared_for(20ms));
      CHECK_FALSE(lock.try_lock_shared_until(std::chrono::system_clock::now() + 20ms));
    });
  });
  CHECK(lock.try_lock_shared());
}

TEST_CASE_FIXTURE(OneCache, "a writer of any kind keeps readers out, and they it") {
  SyncRWLock reader(cache, "k");
  SyncLock plain(cache, "k");
  SyncRLock reentrant(cache, "k");
  plain.lock();
  CHECK_FALSE(reader.try_lock_shared());
  plain.unlock();
  reader.lock_shared();
  CHECK_FALSE(plain.try_lock());
  elsewhere([&] { CHECK_FALSE(reentrant.try_lock()); });
  CHECK(locks(cache).front().kind == "rwlock");
  CHECK(locks(cache).front().holders.front().mode == LockMode::shared);
  reader.unlock_shared();
  CHECK(reentrant.try_lock());
  reentrant.unlock();
}

TEST_CASE_FIXTURE(OneCache,
                  "a reader may read again, through any handle, and holds it until it has let go as often") {
  SyncRWLock a(cache, "k");
  SyncRWLock b(cache, "k");
  a.lock_shared();
  b.lock_shared();
  CHECK(a.fence() == b.fence());
  CHECK(locks(cache).front().holders.front().count == 2);
  a.unlock_shared();
  elsewhere([&] { CHECK_FALSE(a.try_lock()); });
  b.unlock_shared();
  CHECK(locks(cache).empty());
  CHECK_THROWS_AS(b.unlock_shared(), NotOwner);
}

TEST_CASE_FIXTURE(OneCache, "who would wait for itself is told at once") {
  SyncRWLock lock(cache, "k");
  SyncRWLock other(cache, "k");
  lock.lock_shared();
  CHECK_THROWS_AS(lock.lock(), Deadlock);
  CHECK_THROWS_AS(other.lock(), Deadlock);
  CHECK_FALSE(lock.try_lock());
  lock.unlock_shared();
  lock.lock();
  CHECK_THROWS_AS(lock.lock(), Deadlock);
  CHECK_THROWS_AS(lock.lock_shared(), Deadlock);
  CHECK_FALSE(other.try_lock_shared());
  lock.unlock();
}

TEST_CASE_FIXTURE(OneCache,
                  "a reader that comes late does not starve a writer, but one that reads already goes on") {
  SyncRWLock lock(cache, "k", {.timeout = 30s});
  lock.lock_shared();
  std::thread writer([&] { const std::unique_lock writing(lock); });
  while (locks(cache).front().waiters.empty()) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(5ms);
  elsewhere([&] { CHECK_FALSE(lock.try_lock_shared()); });
  CHECK(lock.try_lock_shared());
  lock.unlock_shared();
  lock.unlock_shared();
  writer.join();
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache, "what a thread got another thread cannot give back") {
  SyncRWLock lock(cache, "k");
  lock.lock_shared();
  elsewhere([&] {
    CHECK(lock.release() == Release::not_owner);
    CHECK_THROWS_AS(lock.unlock_shared(), NotOwner);
  });
  CHECK(lock.release() == Release::released);
}

TEST_CASE_FIXTURE(OneCache, "a thread that ends as a reader lets go") {
  SyncRWLock lock(cache, "k");
  elsewhere([&] { lock.lock_shared(); });
  CHECK(lock.try_lock());
  CHECK(lock.previous_owner_died());
  lock.unlock();
}

TEST_CASE_FIXTURE(OneCache, "a handle that goes lets go for all of its threads that still run") {
  auto lock = std::make_unique<SyncRWLock>(cache, "k");
  std::atomic<bool> held = false;
  std::atomic<bool> gone = false;
  std::thread reader([&] {
    lock->lock_shared();
    held = true;
    while (!gone) std::this_thread::sleep_for(1ms);
  });
  while (!held) std::this_thread::sleep_for(1ms);
  lock->lock_shared();
  CHECK(locks(cache).front().holders.size() == 2);
  lock.reset();
  CHECK(locks(cache).empty());
  gone = true;
  reader.join();
}

TEST_CASE_FIXTURE(OneCache, "hundreds of threads may have used a handle") {
  SyncRWLock lock(cache, "k");
  lock.lock_shared();
  for (int i = 0; i < 200; ++i) {
    elsewhere([&] {
      lock.lock_shared();
      lock.unlock_shared();
    });
  }
  CHECK(lock.owned());
  lock.unlock_shared();
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache, "readers and writers in threads never see a half-written pair") {
  SyncRWLock lock(cache, "k", {.timeout = 60s});
  int first = 0;
  int second = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 50; ++i) {
        if ((i + thread) % 4 == 0) {
          const std::unique_lock writing(lock);
          ++first;
          std::this_thread::yield();
          ++second;
        } else {
          const std::shared_lock reading(lock);
          CHECK(first == second);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(first > 0);
  CHECK(locks(cache).empty());
}
