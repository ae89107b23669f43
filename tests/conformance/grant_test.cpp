// SPDX-License-Identifier: Apache-2.0
//
// How a grant ends: by lease, renewal or its refusal, keeping, release and clearing.
#include <mutex>
#include <thread>

#include "conformance/engines.hpp"
#include "dcache/lock.hpp"

namespace {

Duration left(const LockHandle& lock) { return lock.holder().value().lease_left.value(); }

}  // namespace

ENGINE_TEST("renew begins the lease anew") {
  SyncLock lock(cache, "k", {.lease = 10s});
  lock.lock();
  const std::uint64_t fence = lock.fence();
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(20ms);
    const Duration before = left(lock);
    lock.renew();
    CHECK(left(lock) > before);
    CHECK(left(lock) <= Duration(10s));
  }
  CHECK(lock.fence() == fence);
  CHECK(lock.release() == Release::released);
}

ENGINE_TEST("a lease that is renewed in time is never over") {
  SyncLock lock(cache, "k", {.lease = 1s});
  SyncLock rival(cache, "k");
  lock.lock();
  const auto end = std::chrono::steady_clock::now() + 1500ms;
  while (std::chrono::steady_clock::now() < end) {
    lock.renew();
    CHECK_FALSE(rival.try_lock());
    std::this_thread::sleep_for(20ms);
  }
  CHECK(lock.release() == Release::released);
}

ENGINE_TEST("a lease that is over is renewed unless somebody else got the lock") {
  SyncLock lock(cache, "k", {.lease = 300ms});
  lock.lock();
  REQUIRE(eventually([&] { return !lock.locked(); }));
  lock.renew();
  CHECK(lock.owned());
  SyncLock next(cache, "k");
  next.lock();
  CHECK(next.previous_owner_died());
  CHECK(has(thrown<LockLost>([&] { lock.renew(); }), "'k'"));
  CHECK(lock.lost());
  CHECK(next.owned());
  CHECK(lock.release() == Release::lost);
}

ENGINE_TEST("renewing what is not held is NotOwner, and what has no lease InvalidArgument") {
  SyncLock lock(cache, "k", {.lease = 10s});
  SyncLock stranger(cache, "k", {.lease = 10s});
  SyncLock endless(cache, "endless");
  SyncRLock levels(cache, "r", {.lease = 10s});
  CHECK_THROWS_AS(lock.renew(), NotOwner);
  lock.lock();
  levels.lock();
  CHECK(has(thrown<NotOwner>([&] { stranger.renew(); }), "'k'"));
  elsewhere([&] { CHECK_THROWS_AS(levels.renew(), NotOwner); });
  levels.renew();
  lock.unlock();
  CHECK_THROWS_AS(lock.renew(), NotOwner);
  endless.lock();
  CHECK(has(thrown<InvalidArgument>([&] { endless.renew(); }), "lease"));
  CHECK(endless.owned());
}

ENGINE_TEST("a grant that was cleared cannot be renewed") {
  SyncLock lock(cache, "k", {.lease = 10s});
  lock.lock();
  CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  CHECK_THROWS_AS(lock.renew(), LockLost);
  CHECK(locks(cache).empty());
}

ENGINE_TEST("max_hold ends a grant whatever is renewed") {
  SyncLock lock(cache, "k", {.lease = 10s, .max_hold = 500ms});
  lock.lock();
  CHECK(left(lock) <= Duration(500ms));
  std::this_thread::sleep_for(20ms);
  lock.renew();
  CHECK(left(lock) <= Duration(480ms));
  SyncLock next(cache, "k", {.timeout = 30s});
  next.lock();
  CHECK(next.previous_owner_died());
  CHECK_THROWS_AS(lock.renew(), LockLost);
  next.unlock();

  // Alone it is the lease.
  SyncLock alone(cache, "k", {.max_hold = 10s});
  alone.lock();
  CHECK(left(alone) <= Duration(10s));
  CHECK_NOTHROW(alone.renew());
}

ENGINE_TEST("max_hold that is over is the end, even when nobody else came") {
  SyncLock lock(cache, "k", {.lease = 10s, .max_hold = 30ms});
  lock.lock();
  REQUIRE(eventually([&] { return !lock.locked(); }));
  CHECK_THROWS_AS(lock.renew(), LockLost);
}

ENGINE_TEST("a kept grant outlives unlock, the handle and its owner's wish to have it again") {
  {
    SyncLock lock(cache, "k", {.lease = 10s, .keep = true});
    const std::scoped_lock hold(lock);
  }
  SyncLock rival(cache, "k", {.timeout = 30ms});
  CHECK_FALSE(rival.try_lock());
  CHECK_THROWS_AS(rival.lock(), Timeout);
  CHECK(rival.locked());
  CHECK(rival.holder()->keep);
  CHECK(clear_lock(cache, "k") == Cleared::refused);
  SyncLock again(cache, "k", {.lease = 10s, .keep = true});
  CHECK_FALSE(again.try_lock());
  CHECK(clear_lock(cache, "k", {.fence = rival.holder()->fence, .force = true}) == Cleared::cleared);
  CHECK(rival.try_lock());
}

ENGINE_TEST("a kept grant keeps out the very handle that took it") {
  SyncLock lock(cache, "k", {.timeout = 30ms, .lease = 10s, .keep = true});
  lock.lock();
  lock.unlock();
  CHECK_FALSE(lock.try_lock());
  CHECK_THROWS_AS(lock.lock(), Timeout);
}

ENGINE_TEST("a kept re-entrant grant keeps out the very thread that took it") {
  SyncRLock lock(cache, "k", {.timeout = 30ms, .lease = 10s, .keep = true});
  lock.lock();
  lock.lock();
  lock.unlock();
  lock.unlock();
  CHECK_FALSE(lock.try_lock());
  CHECK_FALSE(SyncRLock(cache, "k").try_lock());
}

ENGINE_TEST("a kept grant ends with its lease, and that is nobody's death") {
  SyncLock lock(cache, "k", {.lease = 1s, .keep = true});
  lock.lock();
  lock.unlock();
  SyncLock next(cache, "k", {.timeout = 30s});
  CHECK_FALSE(next.try_lock());
  next.lock();
  CHECK_FALSE(next.previous_owner_died());
  CHECK(next.release() == Release::released);
  CHECK(locks(cache).empty());
}

ENGINE_TEST("release ends a kept grant at once") {
  SyncLock lock(cache, "k", {.lease = 10s, .keep = true});
  SyncLock rival(cache, "k");
  lock.lock();
  CHECK(lock.release() == Release::released);
  CHECK(rival.try_lock());
  rival.unlock();
  CHECK(locks(cache).empty());
}

ENGINE_TEST("keeping without a lease is InvalidArgument") {
  CHECK(has(thrown<InvalidArgument>([&] { SyncLock lock(cache, "k", {.keep = true}); }), "lease"));
  CHECK_THROWS_AS(SyncRLock(cache, "k", {.lease = forever, .keep = true}), InvalidArgument);
  CHECK_THROWS_AS(SyncLock(cache, "k", {.max_hold = 0s}), InvalidArgument);
}

ENGINE_TEST("on_lost is called once for a grant, by whatever finds it out first") {
  for (const int finder : {0, 1, 2, 3}) {
    CAPTURE(finder);
    std::vector<std::uint64_t> told;
    SyncLock lock(cache, "k", {.lease = 10s, .on_lost = [&](const std::string& key, std::uint64_t fence) {
                                 CHECK(key == "k");
                                 told.push_back(fence);
                               }});
    for (int grant = 0; grant < 2; ++grant) {
      lock.lock();
      const std::uint64_t fence = lock.fence();
      CHECK(clear_lock(cache, "k", {.fence = fence, .force = true}) == Cleared::cleared);
      CHECK(told.empty());
      if (finder == 0) CHECK_FALSE(lock.owned());
      if (finder == 1) CHECK_THROWS_AS(lock.renew(), LockLost);
      if (finder == 2) CHECK(lock.release() == Release::lost);
      if (finder == 3) lock.unlock();
      CHECK(told == std::vector<std::uint64_t>{fence});
      CHECK(lock.lost());
      CHECK_FALSE(lock.owned());
      if (finder < 2) CHECK(lock.release() == Release::lost);
      CHECK(told.size() == 1);
      told.clear();
    }
  }
}

ENGINE_TEST("on_lost is not called for a grant that was released") {
  int calls = 0;
  SyncLock lock(cache, "k", {.on_lost = [&](const std::string&, std::uint64_t) { ++calls; }});
  lock.lock();
  lock.unlock();
  lock.lock();
  CHECK(lock.release() == Release::released);
  CHECK(lock.release() == Release::not_owner);
  CHECK_FALSE(lock.owned());
  CHECK(calls == 0);
}

ENGINE_TEST("release says what became of the grant, and harms nobody else's") {
  SyncLock lock(cache, "k");
  SyncLock stranger(cache, "k");
  CHECK(lock.release() == Release::not_owner);
  lock.lock();
  CHECK(stranger.release() == Release::not_owner);
  CHECK(elsewhere([&] { return lock.release(); }) == Release::released);
  CHECK(lock.release() == Release::not_owner);

  SyncRLock levels(cache, "k");
  levels.lock();
  levels.lock();
  CHECK(elsewhere([&] { return levels.release(); }) == Release::not_owner);
  CHECK(elsewhere([&] { return SyncRLock(cache, "k").release(); }) == Release::not_owner);
  CHECK(levels.release() == Release::released);
  CHECK(levels.owned());
  CHECK(levels.release() == Release::released);
  CHECK(levels.release() == Release::not_owner);
  CHECK(locks(cache).empty());

  SyncLock leased(cache, "k", {.lease = 20ms});
  leased.lock();
  stranger.lock();
  CHECK(leased.release() == Release::lost);
  CHECK(leased.release() == Release::not_owner);
  CHECK(stranger.owned());
  CHECK(clear_lock(cache, "k", {.fence = stranger.fence(), .force = true}) == Cleared::cleared);
  lock.lock();
  CHECK(stranger.release() == Release::lost);
  CHECK(lock.owned());
}

ENGINE_TEST("grants, waits and losses are counted") {
  SyncLock lock(cache, "k");
  const auto let_somebody_wait = [&] {
    lock.lock();
    std::thread waiter([&] {
      SyncLock other(cache, "k");
      other.lock();
    });
    while (locks(cache).front().waiters.empty()) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(20ms);
    lock.unlock();
    waiter.join();
  };
  let_somebody_wait();  // who waits first makes what counts
  const Stats before = cache.stats();
  let_somebody_wait();
  lock.lock();
  CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  CHECK(lock.release() == Release::lost);
  const Stats stats = cache.stats();
  CHECK(stats.lock_grants == before.lock_grants + 3);
  CHECK(stats.lock_contended == before.lock_contended + 1);
  CHECK(stats.lock_takeovers == 0);
  CHECK(stats.lock_lost == 1);
  CHECK(stats.lock_longest_hold >= Duration(20ms));
  CHECK(stats.lock_longest_wait >= Duration(20ms));
  CHECK(stats.lock_longest_wait < Duration(60s));
}
