// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <mutex>
#include <stop_token>

#include "conformance/engines.hpp"
#include "dcache/lock.hpp"

namespace {

/// Threads that count under a lock of their own each; fails if two were inside at once or a fence did not
/// grow.
template <class Lock>
void count_under_lock(Cache& cache) {
  constexpr int kThreads = 4;
  constexpr int kTimes = 25;
  int inside = 0;
  int total = 0;
  std::uint64_t last = 0;
  std::vector<std::future<void>> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.push_back(std::async(std::launch::async, [&] {
      Lock lock(cache, "k", {.timeout = 60s});
      for (int i = 0; i < kTimes; ++i) {
        const std::scoped_lock hold(lock);
        CHECK(++inside == 1);
        CHECK(lock.fence() > last);
        last = lock.fence();
        ++total;
        if (i % 5 == 0) std::this_thread::sleep_for(1ms);
        --inside;
      }
    }));
  }
  for (std::future<void>& thread : threads) thread.get();
  CHECK(total == kThreads * kTimes);
  CHECK(locks(cache).empty());
}

}  // namespace

ENGINE_TEST("a lock is held by one handle at a time") {
  SyncLock a(cache, "k");
  SyncLock b(cache, "k");
  SyncLock other(cache, "other");
  CHECK_FALSE(a.locked());
  a.lock();
  CHECK((a.locked() && a.owned()));
  CHECK((b.locked() && !b.owned()));
  CHECK_FALSE(b.try_lock());
  CHECK_FALSE(b.try_lock_for(20ms));
  CHECK_THROWS_AS(b.unlock(), NotOwner);
  CHECK(b.release() == Release::not_owner);
  CHECK(other.try_lock());
  a.unlock();
  CHECK(b.try_lock());
  CHECK(b.fence() > a.fence());
  CHECK(b.release() == Release::released);
  CHECK_FALSE(a.locked());
}

ENGINE_TEST("a lock that is held times out, at once or later, and says who holds it") {
  SyncLock a(cache, "k", {.label = "the holder"});
  SyncLock b(cache, "k", {.timeout = 30ms});
  a.lock();
  CHECK(has(thrown<Timeout>([&] { b.lock(); }), "the holder"));
  CHECK_THROWS_AS(a.lock(), Deadlock);
  std::stop_source stop;
  SyncLock c(cache, "k", {.timeout = forever});
  auto waiting = std::async(std::launch::async, [&] { c.lock(stop.get_token()); });
  stop.request_stop();
  CHECK_THROWS_AS(waiting.get(), Cancelled);
  CHECK(a.owned());
}

ENGINE_TEST("a waiter gets the lock when it is free") {
  SyncLock a(cache, "k");
  a.lock();
  auto waiter = std::async(std::launch::async, [&] {
    SyncLock b(cache, "k");
    const std::scoped_lock hold(b);
    return b.fence();
  });
  CHECK(waiter.wait_for(20ms) == std::future_status::timeout);
  a.unlock();
  CHECK(waiter.get() > a.fence());
}

ENGINE_TEST("SyncLock keeps threads out of each other's way") { count_under_lock<SyncLock>(cache); }

ENGINE_TEST("SyncRLock keeps threads out of each other's way") { count_under_lock<SyncRLock>(cache); }

ENGINE_TEST("a SyncRLock is its thread's, through any handle, as often as it was taken") {
  SyncRLock a(cache, "k");
  SyncRLock b(cache, "k");
  a.lock();
  b.lock();
  a.lock();
  CHECK(a.holder().value().count == 3);
  CHECK_FALSE(elsewhere([&] { return SyncRLock(cache, "k").try_lock(); }));
  CHECK_FALSE(elsewhere([&] { return a.owned(); }));
  CHECK(elsewhere([&] { return a.release(); }) == Release::not_owner);
  a.unlock();
  b.unlock();
  CHECK_FALSE(elsewhere([&] { return SyncRLock(cache, "k").try_lock(); }));
  a.unlock();
  CHECK_FALSE(a.locked());
  CHECK(elsewhere([&] { return SyncRLock(cache, "k").try_lock(); }));
  CHECK_THROWS_AS(a.unlock(), NotOwner);
}

ENGINE_TEST("a handle that goes away gives back what it holds") {
  {
    SyncLock a(cache, "k");
    a.lock();
  }
  {
    SyncRLock a(cache, "r");
    a.lock();
    a.lock();
  }
  CHECK(locks(cache).empty());
}

ENGINE_TEST("a lease that is over ends the grant") {
  SyncLock a(cache, "k", {.lease = 40ms});
  a.lock();
  SyncLock b(cache, "k");
  b.lock();
  CHECK(b.previous_owner_died());
  CHECK_FALSE(a.owned());
  CHECK(a.lost());
  CHECK(a.release() == Release::lost);
  CHECK(b.owned());
}

ENGINE_TEST("locks and their holders can be listed") {
  SyncLock a(cache, "app:a", {.tags = {"t", "u"}, .label = "label"});
  SyncRLock b(cache, "app:b", {.tags = "t"});
  SyncLock c(cache, "c");
  a.lock();
  b.lock();
  c.lock();
  const std::vector<LockInfo> all = locks(cache);
  REQUIRE(all.size() == 3);
  CHECK(all[0].key == "app:a");
  CHECK(all[0].kind == "lock");
  CHECK(all[1].kind == "rlock");
  const Holder holder = all[0].holders.at(0);
  CHECK(holder.fence == a.fence());
  CHECK(holder.state == Liveness::alive);
  CHECK(holder.label == "label");
  CHECK(holder.session == store().session());
  CHECK(locks(cache, {.prefix = "app:", .tags = "t"}).size() == 2);
  CHECK(locks(cache, {.tags = {"t", "u"}}).size() == 1);
  CHECK(cache.stats().locks == 3);
}

ENGINE_TEST("a living holder's lock is cleared only with its fence and force") {
  SyncLock a(cache, "k");
  CHECK(clear_lock(cache, "k") == Cleared::absent);
  a.lock();
  CHECK(clear_lock(cache, "k") == Cleared::refused);
  CHECK(clear_lock(cache, "k", {.fence = a.fence()}) == Cleared::refused);
  CHECK(clear_lock(cache, "k", {.fence = a.fence() + 1, .force = true}) == Cleared::refused);
  CHECK(a.owned());
  CHECK(clear_lock(cache, "k", {.fence = a.fence(), .force = true}) == Cleared::cleared);
  CHECK_FALSE(a.owned());
  CHECK(a.release() == Release::lost);
}

ENGINE_TEST("a lock operation inside a transaction is Misuse") {
  SyncLock lock(cache, "k");
  cache.transact([&](Transaction& transaction) {
    CHECK_THROWS_AS(lock.lock(), Misuse);
    CHECK_THROWS_AS(static_cast<void>(lock.try_lock()), Misuse);
    CHECK_THROWS_AS(static_cast<void>(lock.owned()), Misuse);
    transaction.set("k", "v");
  });
  CHECK(cache.contains("k"));
  CHECK(lock.try_lock());
}

ENGINE_TEST("a lock outlives the cache object that it was made with") {
  std::optional<Cache> one(std::move(cache));
  SyncLock lock(*one, "k");
  lock.lock();
  one.reset();
  CHECK(lock.owned());
  CHECK(lock.release() == Release::released);
}
