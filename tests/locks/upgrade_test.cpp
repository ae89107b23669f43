// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <shared_mutex>
#include <thread>

#include "dcache/rw_lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/worker.hpp"

namespace {

bool is_upgrading(const Cache& cache) {
  // A newcomer is kept out although only readers hold the lock.
  SyncRWLock probe(const_cast<Cache&>(cache), "k");
  bool kept_out = false;
  elsewhere([&] {
    kept_out = !probe.try_lock_shared();
    if (!kept_out) probe.unlock_shared();
  });
  return kept_out;
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "the only reader becomes the writer, with a new fence, and a reader again") {
  SyncRWLock lock(cache, "k");
  SyncRWLock other(cache, "k");
  lock.lock_shared();
  const std::uint64_t before = lock.fence();
  CHECK(lock.try_upgrade());
  CHECK(lock.fence() > before);
  CHECK(locks(cache).front().holders.front().mode == LockMode::exclusive);
  elsewhere([&] { CHECK_FALSE(other.try_lock_shared()); });
  CHECK(lock.try_upgrade());
  lock.downgrade();
  elsewhere([&] {
    CHECK(other.try_lock_shared());
    CHECK_FALSE(other.try_upgrade());
    other.unlock_shared();
  });
  lock.downgrade();
  CHECK(lock.owned());
  lock.unlock_shared();
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache, "a reader that upgrades waits for the others, and lets no new ones in") {
  SyncRWLock lock(cache, "k", {.timeout = 30s});
  lock.lock_shared();
  std::atomic<bool> writes = false;
  std::thread upgrader([&] {
    lock.lock_shared();
    lock.upgrade();
    writes = true;
    lock.unlock();
  });
  while (!is_upgrading(cache)) std::this_thread::sleep_for(1ms);
  CHECK_FALSE(writes);
  lock.unlock_shared();
  upgrader.join();
  CHECK(writes);
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache,
                  "of two readers that upgrade one is told at once, and can let the other through") {
  SyncRWLock lock(cache, "k", {.timeout = 30s});
  lock.lock_shared();
  std::thread upgrader([&] {
    lock.lock_shared();
    lock.upgrade();
    lock.unlock();
  });
  while (!is_upgrading(cache)) std::this_thread::sleep_for(1ms);
  CHECK_FALSE(lock.try_upgrade());
  CHECK_THROWS_AS(lock.upgrade(), Deadlock);
  CHECK(lock.owned());
  lock.unlock_shared();
  upgrader.join();
}

TEST_CASE_FIXTURE(OneCache, "an upgrade that comes to nothing leaves a reader, and lets others in again") {
  SyncRWLock lock(cache, "k", {.timeout = 50ms});
  lock.lock_shared();
  elsewhere([&] {
    lock.lock_shared();
    CHECK_FALSE(lock.try_upgrade());
    CHECK_FALSE(lock.try_upgrade_for(20ms));
    CHECK_THROWS_AS(lock.upgrade(), Timeout);
    CHECK(lock.owned());
    CHECK_FALSE(is_upgrading(cache));
    lock.unlock_shared();
  });
  lock.unlock_shared();
}

TEST_CASE_FIXTURE(OneCache, "a writer that downgrades lets waiting readers in, and no writer") {
  SyncRWLock lock(cache, "k", {.timeout = 30s});
  lock.lock();
  std::atomic<bool> reads = false;
  std::thread reader([&] {
    const std::shared_lock reading(lock);
    reads = true;
    while (locks(cache).front().holders.size() < 2) std::this_thread::sleep_for(1ms);
  });
  while (locks(cache).front().waiters.empty()) std::this_thread::sleep_for(1ms);
  lock.downgrade();
  elsewhere([&] { CHECK_FALSE(lock.try_lock()); });
  reader.join();
  CHECK(reads);
  lock.unlock_shared();
}

TEST_CASE_FIXTURE(OneCache, "who holds nothing, or lost it, can upgrade nothing") {
  SyncRWLock lock(cache, "k", {.lease = 60s});
  CHECK_THROWS_AS(lock.upgrade(), NotOwner);
  CHECK_THROWS_AS(lock.downgrade(), NotOwner);
  lock.lock_shared();
  CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  CHECK_THROWS_AS(lock.upgrade(), LockLost);
  CHECK_THROWS_AS(lock.downgrade(), LockLost);
}

TEST_CASE_FIXTURE(OneCache, "a thread that ends after its upgrade gives the lock up") {
  SyncRWLock lock(cache, "k");
  elsewhere([&] {
    lock.lock_shared();
    lock.upgrade();
  });
  CHECK(lock.try_lock());
  CHECK(lock.previous_owner_died());
  lock.unlock();
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "a reader that was killed does not hold up an upgrade") {
    Worker worker({"shell", path()});
    REQUIRE(worker.line() == "ready");
    REQUIRE(worker.ask("read k").starts_with("held "));
    SyncRWLock lock(cache, "k", {.timeout = 30s});
    lock.lock_shared();
    std::thread killer([&] {
      while (!is_upgrading(cache)) std::this_thread::sleep_for(1ms);
      worker.kill();
    });
    lock.upgrade();
    killer.join();
    CHECK(lock.previous_owner_died());
    lock.unlock();
  }
}
