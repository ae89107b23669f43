// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <csignal>
#include <thread>

#include "dcache/lock.hpp"
#include "dcache/rw_lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace {

/// Waits until `f` holds.
template <class F>
bool soon(F f) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!f() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(2ms);
  return f();
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "a lease that is renewed does not end while its holder runs") {
  std::atomic<int> told = 0;
  const LockOptions options{.lease = 1s, .renew = true, .on_lost = [&](const auto&, auto) { ++told; }};
  SyncLock lock(cache, "k", options);
  SyncLock other(cache, "k");
  lock.lock();
  CHECK(threads_that_take(SIGTERM) == 1);
  CHECK_FALSE(other.try_lock_for(2200ms));
  CHECK(lock.owned());
  CHECK_FALSE(lock.lost());
  CHECK(lock.release() == Release::released);
  CHECK(other.try_lock());
  std::this_thread::sleep_for(1100ms);
  CHECK(told == 0);
}

TEST_CASE_FIXTURE(OneCache, "many leases are renewed, each until it is given back") {
  std::vector<std::unique_ptr<SyncLock>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<SyncLock>(cache, "k" + std::to_string(i),
                                             LockOptions{.lease = Duration(1s + i * 10ms), .renew = true}));
    all.back()->lock();
  }
  std::this_thread::sleep_for(2200ms);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i]->owned());
    if (i % 2 == 0) {
      CHECK(all[i]->release() == Release::released);
    } else {
      all[i].reset();
    }
  }
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache, "who is cleared is told by the thread, once, and release says it too") {
  std::atomic<int> told = 0;
  std::atomic<std::uint64_t> fence = 0;
  SyncLock lock(cache, "k",
                {.lease = 150ms, .renew = true, .on_lost = [&](const std::string& key, std::uint64_t f) {
                   CHECK(key == "k");
                   fence = f;
                   ++told;
                 }});
  lock.lock();
  CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  CHECK(soon([&] { return told == 1; }));
  CHECK(fence == lock.fence());
  CHECK(lock.lost());
  CHECK(lock.release() == Release::lost);
  CHECK(told == 1);
}

TEST_CASE_FIXTURE(OneCache, "who is told of a loss may use the lock there, and let go of it") {
  std::atomic<bool> told = false;
  SyncLock* handle = nullptr;
  SyncLock lock(cache, "k", {.lease = 150ms, .renew = true, .on_lost = [&](const auto&, auto) {
                               CHECK(handle->lost());
                               CHECK(handle->release() == Release::lost);
                               told = true;
                             }});
  handle = &lock;
  lock.lock();
  CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  CHECK(soon([&] { return told.load(); }));
  CHECK(lock.try_lock());
}

TEST_CASE_FIXTURE(OneCache, "the longest hold ends what is renewed, and is told before") {
  std::atomic<bool> told = false;
  std::atomic<bool> still = false;
  SyncLock lock(cache, "k",
                {.lease = 300ms, .renew = true, .max_hold = 900ms, .on_lost = [&](const auto&, auto) {
                   const std::vector<LockInfo> found = locks(cache);
                   still = !found.empty() && !found.front().holders.empty() &&
                           found.front().holders.front().lease_left > Duration();
                   told = true;
                 }});
  // The thread that tells may itself be kept waiting, but not each time.
  for (int i = 0; i < 5 && !still; ++i) {
    told = false;
    lock.lock();
    const auto began = std::chrono::steady_clock::now();
    CHECK(soon([&] { return told.load(); }));
    CHECK(std::chrono::steady_clock::now() - began > 500ms);
    SyncLock other(cache, "k");
    CHECK(other.try_lock_for(20s));
  }
  CHECK(still);
}

TEST_CASE_FIXTURE(OneCache, "what cannot be renewed as the store is busy is told before the lease is over") {
  std::atomic<bool> told = false;
  SyncLock lock(cache, "k", {.lease = 1s, .renew = true, .on_lost = [&](const auto&, auto) { told = true; }});
  lock.lock();
  std::thread writer([&] {
    Cache busy(path());
    busy.transact([&](Transaction& tx) {
      tx.set("v", "1");
      CHECK(soon([&] { return told.load(); }));
    });
  });
  writer.join();
  CHECK(told);
  CHECK(lock.lost());
}

TEST_CASE_FIXTURE(OneCache, "the lease of a thread that has ended is not renewed") {
  SyncRLock lock(cache, "k", {.lease = 10s, .renew = true});
  std::thread([&] { lock.lock(); }).join();
  SyncLock other(cache, "k");
  CHECK(other.try_lock());
  CHECK(other.previous_owner_died());
  SyncRWLock readers(cache, "r", {.lease = 10s, .renew = true});
  std::thread([&] { readers.lock_shared(); }).join();
  CHECK(readers.try_lock());
  readers.unlock();
}

TEST_CASE_FIXTURE(
    OneCache, "a re-entrant lock is renewed until its last level, and an upgraded one under its new fence") {
  std::atomic<int> told = 0;
  const auto tell = [&](const auto&, auto) { ++told; };
  SyncRLock lock(cache, "k", {.lease = 1s, .renew = true, .on_lost = tell});
  lock.lock();
  lock.lock();
  lock.unlock();
  SyncRWLock readers(cache, "r", {.lease = 1s, .renew = true, .on_lost = tell});
  readers.lock_shared();
  CHECK(readers.try_upgrade());
  std::this_thread::sleep_for(2200ms);
  CHECK(lock.owned());
  CHECK(readers.owned());
  lock.unlock();
  readers.unlock();
  CHECK(locks(cache).empty());
  std::this_thread::sleep_for(1100ms);
  CHECK(told == 0);
}

TEST_CASE_FIXTURE(OneCache, "a kept grant is renewed while its holder has it, and then left to its lease") {
  SyncLock lock(cache, "k", {.lease = 1s, .renew = true, .keep = true});
  lock.lock();
  std::this_thread::sleep_for(2200ms);
  CHECK(lock.owned());
  lock.unlock();
  SyncLock other(cache, "k");
  CHECK_FALSE(other.try_lock());
  CHECK(other.try_lock_for(20s));
}

TEST_CASE_FIXTURE(OneCache, "renewal without a lease makes no sense") {
  CHECK_THROWS_AS(SyncLock(cache, "k", {.renew = true}), InvalidArgument);
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache,
                    "a holder that is stopped past its lease loses it, is told, and keeps nobody out") {
    Worker worker({"shell", path()});
    REQUIRE(worker.line() == "ready");
    REQUIRE(worker.ask("lock k 1000 renew").starts_with("held "));
    SyncLock lock(cache, "k");
    CHECK_FALSE(lock.try_lock_for(2200ms));
    worker.signal(SIGSTOP);
    CHECK(lock.try_lock_for(20s));
    worker.signal(SIGCONT);
    CHECK(soon([&] { return worker.ask("lost k") == "yes"; }));
    CHECK(worker.ask("release k") == "lost");
    CHECK(lock.owned());
  }

  TEST_CASE_FIXTURE(OneCache, "a forked child renews its own leases, and not its parent's") {
    // The parent's thread is not there in the child.
    CHECK(run_worker({"fork", "renewing", path()}) ==
          std::vector<std::string>{"child holds", "child released", "child ended with 0", "parent holds"});
  }
}
