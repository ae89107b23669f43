// SPDX-License-Identifier: Apache-2.0
//
// Nobody releases what is not theirs: what release says, and what it leaves alone.
#include <future>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "support/check.hpp"

namespace {

/// A handle whose lease is over.
SyncLock leased_and_over(Cache& cache, const char* key) {
  SyncLock lock(cache, key, {.lease = 5ms});
  lock.lock();
  REQUIRE(eventually([&] { return !lock.locked(); }));
  return lock;
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "release says released, then not_owner") {
  SyncLock lock(cache, "k");
  CHECK(lock.release() == Release::not_owner);
  lock.lock();
  CHECK(lock.release() == Release::released);
  CHECK(lock.release() == Release::not_owner);
  CHECK_FALSE(lock.lost());
}

TEST_CASE_FIXTURE(OneCache, "another handle's release is not_owner, and the holder keeps the lock") {
  SyncLock lock(cache, "k");
  SyncLock stranger(cache, "k");
  lock.lock();
  CHECK(stranger.release() == Release::not_owner);
  CHECK(has(thrown<NotOwner>([&] { stranger.unlock(); }), "'k'"));
  CHECK(lock.owned());
  CHECK(lock.release() == Release::released);
  CHECK_THROWS_AS(lock.unlock(), NotOwner);
}

TEST_CASE_FIXTURE(OneCache,
                  "a lease that is over lets the next one in, and the first one's release says lost") {
  SyncLock first(cache, "k", {.lease = 1s});
  SyncLock second(cache, "k");
  first.lock();
  const std::uint64_t first_fence = first.fence();
  CHECK_FALSE(second.try_lock());
  second.lock();
  CHECK(second.previous_owner_died());
  CHECK(second.fence() > first_fence);
  CHECK_FALSE(first.owned());
  CHECK(first.lost());
  // A release that only knows the key would now free the second one's lock.
  CHECK(first.release() == Release::lost);
  CHECK(second.owned());
  SyncLock third(cache, "k");
  CHECK_FALSE(third.try_lock());
  CHECK(second.release() == Release::released);
  CHECK(first.release() == Release::not_owner);
  CHECK(third.try_lock());
  CHECK_FALSE(third.previous_owner_died());
}

TEST_CASE_FIXTURE(OneCache, "a lease that is over but that nobody has taken over can still be released") {
  SyncLock lock = leased_and_over(cache, "k");
  CHECK_FALSE(lock.owned());
  CHECK(lock.lost());
  CHECK_FALSE(lock.locked());
  CHECK(lock.holder() == std::nullopt);
  CHECK(lock.release() == Release::released);
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(OneCache, "the holder whose lease is over may take the lock again, with a new fence") {
  SyncLock lock = leased_and_over(cache, "k");
  const std::uint64_t fence = lock.fence();
  CHECK(lock.try_lock());
  CHECK(lock.fence() > fence);
  CHECK(lock.previous_owner_died());
  CHECK_FALSE(lock.lost());
}

TEST_CASE_FIXTURE(OneCache,
                  "locking again under a lease of one's own waits for its end instead of a Deadlock") {
  SyncLock lock(cache, "k", {.timeout = 10s, .lease = 50ms});
  lock.lock();
  const std::uint64_t fence = lock.fence();
  lock.lock();
  CHECK(lock.fence() > fence);
}

TEST_CASE_FIXTURE(OneCache, "a guard whose lock was lost ends without an error, and lost tells") {
  SyncLock lock(cache, "k", {.lease = 5ms});
  SyncLock other(cache, "k");
  {
    const std::scoped_lock hold(lock);
    other.lock();
  }
  CHECK(lock.lost());
  CHECK(other.owned());
}

TEST_CASE_FIXTURE(OneCache, "a holder whose lock was cleared by force finds out, and harms nobody") {
  SyncLock lock(cache, "k");
  SyncRLock rlock(cache, "r");
  lock.lock();
  rlock.lock();
  rlock.lock();
  CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  CHECK(clear_lock(cache, "r", {.fence = rlock.fence(), .force = true}) == Cleared::cleared);
  CHECK_FALSE(lock.owned());
  SyncLock next(cache, "k");
  CHECK(next.try_lock());
  CHECK(lock.release() == Release::lost);
  CHECK(lock.lost());
  CHECK(rlock.release() == Release::lost);
  CHECK(rlock.release() == Release::not_owner);
  CHECK(next.owned());
}

TEST_CASE_FIXTURE(OneCache, "a re-entrant lock whose lease is over is lost as a whole") {
  SyncRLock lock(cache, "k", {.lease = 5ms});
  lock.lock();
  static_cast<void>(lock.try_lock());
  SyncRLock other(cache, "k");
  const auto takes = [&] {
    other.lock();
    return other.owned();
  };
  CHECK(std::async(std::launch::async, takes).get());
  CHECK(lock.release() == Release::lost);
  CHECK(lock.lost());
}

TEST_CASE("a release that cannot be committed now is kept, reported, and made good later") {
  const TempDir dir;
  std::atomic<int> reported{0};
  Cache cache(dir / "cache", {.timeout = 50ms, .on_error = [&](const Error& error) {
                                CHECK(dynamic_cast<const Timeout*>(&error) != nullptr);
                                ++reported;
                              }});
  Cache other(dir / "cache");
  SyncLock lock(cache, "k");
  lock.lock();
  other.transact([&](Transaction& transaction) {
    transaction.set("keeps", "the store");
    lock.unlock();
  });
  CHECK(reported == 1);
  SyncLock rival(other, "k");
  CHECK(eventually([&] { return rival.try_lock(); }));
}

TEST_CASE("a cache that is closed while the store is busy gives its locks back first") {
  const TempDir dir;
  Cache other(dir / "cache");
  std::promise<void> begun;
  std::future<void> busy;
  {
    Cache cache(dir / "cache");
    SyncLock lock(cache, "k");
    lock.lock();
    busy = std::async(std::launch::async, [&] {
      other.transact([&](Transaction& transaction) {
        transaction.set("keeps", "the store");
        begun.set_value();
        std::this_thread::sleep_for(400ms);
      });
    });
    begun.get_future().wait();
  }
  busy.get();
  SyncLock rival(other, "k");
  CHECK(rival.try_lock());
  CHECK_FALSE(rival.previous_owner_died());
}

TEST_CASE("release throws when it cannot be committed, and the lock is still held") {
  const TempDir dir;
  Cache cache(dir / "cache", {.timeout = 50ms});
  Cache other(dir / "cache");
  SyncLock lock(cache, "k");
  lock.lock();
  other.transact([&](Transaction& transaction) {
    transaction.set("keeps", "the store");
    CHECK_THROWS_AS(static_cast<void>(lock.release()), Timeout);
  });
  CHECK(lock.owned());
  CHECK(lock.release() == Release::released);
}

TEST_CASE_FIXTURE(
    OneCache, "who outlasts its lease does not release the grant that another thread has got by the handle") {
  const auto check = [](LockHandle& lock, const std::vector<std::uint64_t>& told) {
    lock.lock();
    const std::uint64_t first = lock.fence();
    std::promise<void> holding;
    std::promise<void> end;
    auto next = std::async(std::launch::async, [&] {
      lock.lock();
      holding.set_value();
      end.get_future().wait();
      const bool owned = lock.locked();
      CHECK_NOTHROW(lock.unlock());
      return owned;
    });
    holding.get_future().wait();
    CHECK_NOTHROW(lock.unlock());
    CHECK(told == std::vector<std::uint64_t>{first});
    end.set_value();
    CHECK(next.get());
  };
  std::vector<std::uint64_t> told;
  const auto note = [&](const std::string&, std::uint64_t fence) { told.push_back(fence); };
  SyncLock lock(cache, "lock", {.lease = 300ms, .on_lost = note});
  check(lock, told);
  told.clear();
  SyncRLock rlock(cache, "rlock", {.lease = 300ms, .on_lost = note});
  check(rlock, told);
}

TEST_CASE_FIXTURE(OneCache,
                  "a lease begins with the grant or renewal, however long the store kept it waiting") {
  const auto keep_busy = [&] {
    std::promise<void> writing;
    auto busy = std::async(std::launch::async, [&cache = cache, &writing] {
      cache.transact([&](Transaction& transaction) {
        transaction.set("keeps", "the store");
        writing.set_value();
        std::this_thread::sleep_for(1300ms);
      });
    });
    writing.get_future().wait();
    return busy;
  };
  SyncLock lock(cache, "k", {.lease = 1s});
  {
    const auto busy = keep_busy();
    lock.lock();
    CHECK(lock.owned());
  }
  const auto busy = keep_busy();
  CHECK_NOTHROW(lock.renew());
  CHECK(lock.owned());
}

TEST_CASE_FIXTURE(OneCache,
                  "a lock that is unlocked inside a transaction is free when the transaction is over") {
  SyncLock lock(cache, "k");
  lock.lock();
  cache.transact([&](Transaction& transaction) {
    transaction.set("value", "v");
    lock.unlock();
  });
  Cache other(path());
  SyncLock rival(other, "k");
  CHECK(rival.try_lock_for(2s));
}
