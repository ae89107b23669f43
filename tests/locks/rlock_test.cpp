// SPDX-License-Identifier: Apache-2.0
//
// SyncRLock: the lock of a thread, with levels.
#include <future>
#include <mutex>

#include "dcache/lock.hpp"
#include "support/check.hpp"

namespace {

std::uint64_t levels(const SyncRLock& lock) {
  const auto holder = lock.holder();
  return holder ? holder->count : 0;
}

}  // namespace

TEST_CASE_FIXTURE(
    OneCache,
    "the thread that holds a re-entrant lock takes it again, and it is free after as many releases") {
  SyncRLock lock(cache, "k");
  lock.lock();
  const std::uint64_t fence = lock.fence();
  lock.lock();
  CHECK(lock.try_lock());
  CHECK(lock.try_lock_for(1s));
  CHECK(levels(lock) == 4);
  CHECK(lock.fence() == fence);
  for (std::uint64_t left = 3; left > 0; --left) {
    CHECK(lock.release() == Release::released);
    CHECK(levels(lock) == left);
    CHECK(lock.owned());
    CHECK(lock.locked());
  }
  CHECK(lock.release() == Release::released);
  CHECK_FALSE(lock.locked());
  CHECK_FALSE(lock.owned());
  CHECK(cache.stats().locks == 0);
  CHECK(lock.release() == Release::not_owner);
  lock.lock();
  CHECK(lock.fence() > fence);
}

TEST_CASE_FIXTURE(OneCache, "two handles of one thread share its levels, in any order of release") {
  Cache second(path());
  SyncRLock one(cache, "k");
  SyncRLock two(second, "k");
  for (const bool first_in_first_out : {false, true}) {
    one.lock();
    two.lock();
    one.lock();
    CHECK(levels(one) == 3);
    CHECK(one.fence() == two.fence());
    CHECK(two.owned());
    SyncRLock& first = first_in_first_out ? one : two;
    SyncRLock& last = first_in_first_out ? two : one;
    CHECK(first.release() == Release::released);
    CHECK(levels(two) == 2);
    CHECK(one.release() == Release::released);
    CHECK(levels(two) == 1);
    CHECK(last.release() == Release::released);
    CHECK_FALSE(one.locked());
    CHECK_FALSE(one.lost());
    CHECK_FALSE(two.lost());
    CHECK(cache.stats().locks == 0);
  }
}

TEST_CASE_FIXTURE(OneCache, "another thread is kept out, also with the very same handle") {
  SyncRLock lock(cache, "k");
  SyncRLock other(cache, "k");
  lock.lock();
  CHECK_FALSE(elsewhere([&] { return other.try_lock(); }));
  CHECK_FALSE(elsewhere([&] { return lock.try_lock(); }));
  CHECK_FALSE(elsewhere([&] { return lock.owned(); }));
  CHECK(elsewhere([&] { return lock.locked(); }));
  lock.lock();
  lock.unlock();
  CHECK_FALSE(elsewhere([&] { return other.try_lock(); }));
  lock.unlock();
  CHECK(elsewhere([&] { return other.try_lock() && other.release() == Release::released; }));
}

TEST_CASE_FIXTURE(OneCache,
                  "another thread's release is not_owner and changes nothing; its unlock is NotOwner") {
  SyncRLock lock(cache, "k");
  lock.lock();
  lock.lock();
  CHECK(elsewhere([&] { return lock.release(); }) == Release::not_owner);
  CHECK(elsewhere([&] { return SyncRLock(cache, "k").release(); }) == Release::not_owner);
  const std::string text = elsewhere([&] { return thrown<NotOwner>([&] { lock.unlock(); }); });
  CHECK(has(text, "'k'"));
  CHECK(has(text, "count 2"));
  CHECK(levels(lock) == 2);
  CHECK(lock.release() == Release::released);
  CHECK(lock.release() == Release::released);
}

TEST_CASE_FIXTURE(OneCache, "levels that were taken through one handle may be released through another") {
  SyncRLock one(cache, "k");
  SyncRLock two(cache, "k");
  one.lock();
  one.lock();
  CHECK(two.release() == Release::released);
  CHECK(two.release() == Release::released);
  CHECK_FALSE(two.locked());
  // What `one` believes to hold is gone: it says so, and can begin anew.
  CHECK(one.release() == Release::lost);
  one.lock();
  CHECK(levels(one) == 1);
  CHECK(one.release() == Release::released);
}

TEST_CASE_FIXTURE(OneCache, "renewing by one handle leaves the levels of another in place") {
  SyncRLock one(cache, "k", {.lease = 60s});
  SyncRLock two(cache, "k", {.lease = 60s});
  one.lock();
  two.lock();
  one.renew();
  one.unlock();
  CHECK(two.owned());
  CHECK(levels(two) == 1);
  CHECK(two.release() == Release::released);
}

TEST_CASE_FIXTURE(OneCache, "a handle that is destroyed gives back its own levels and no others") {
  SyncRLock outer(cache, "k");
  outer.lock();
  {
    SyncRLock inner(cache, "k");
    inner.lock();
    inner.lock();
    CHECK(levels(outer) == 3);
  }
  CHECK(levels(outer) == 1);
  CHECK(outer.owned());
  outer.unlock();
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(OneCache, "a lock whose thread has ended goes to the next one, which is told") {
  SyncRLock lock(cache, "k");
  elsewhere([&] {
    lock.lock();
    lock.lock();
    return 0;
  });
  CHECK_FALSE(lock.locked());
  CHECK_FALSE(lock.owned());
  CHECK(lock.release() == Release::not_owner);
  SyncRLock other(cache, "k");
  CHECK(other.try_lock());
  CHECK(other.previous_owner_died());
  CHECK(levels(other) == 1);
}

TEST_CASE_FIXTURE(OneCache,
                  "a thread renews its lease through any handle, but not one that it never asked for") {
  SyncRLock leased(cache, "k", {.lease = 20s});
  SyncRLock longer(cache, "k", {.lease = 40s});
  leased.lock();
  longer.renew();
  CHECK(leased.holder()->lease_left > Duration(30s));
  leased.unlock();
  CHECK_THROWS_AS(longer.renew(), NotOwner);
  SyncRLock plain(cache, "k");
  plain.lock();
  CHECK_THROWS_AS(plain.renew(), InvalidArgument);
  CHECK_THROWS_AS(longer.renew(), InvalidArgument);
  CHECK(plain.holder()->lease_left == std::nullopt);
}

TEST_CASE_FIXTURE(OneCache, "another thread's unlock inside a transaction releases nothing later either") {
  SyncRLock lock(cache, "k");
  lock.lock();
  elsewhere([&] {
    cache.transact([&](Transaction&) { CHECK_THROWS_AS(lock.unlock(), Misuse); });
    return 0;
  });
  cache.set("a write", "after which what was kept would have been done");
  SyncRLock other(cache, "other");
  other.lock();
  CHECK(lock.owned());
}

TEST_CASE_FIXTURE(OneCache, "a thread's end is seen whichever of its Cache objects has gone before") {
  for (const bool first_goes : {true, false}) {
    CAPTURE(first_goes);
    Cache stays(path());
    SyncRLock kept(stays, "k");
    elsewhere([&] {
      Cache goes(path());
      SyncRLock gone(goes, "k");
      (first_goes ? gone : kept).lock();
      (first_goes ? kept : gone).lock();
      gone.unlock();
      return 0;
    });
    SyncRLock other(cache, "k");
    CHECK(other.try_lock());
    CHECK(other.previous_owner_died());
  }
}

TEST_CASE_FIXTURE(OneCache, "who waits for a thread that ends while it holds the lock gets it") {
  SyncRLock lock(cache, "k");
  std::promise<void> holding;
  std::promise<void> end;
  auto holder = std::async(std::launch::async, [&] {
    lock.lock();
    holding.set_value();
    end.get_future().wait();
  });
  holding.get_future().wait();
  auto waiter = std::async(std::launch::async, [&] {
    SyncRLock other(cache, "k", {.timeout = 60s});
    other.lock();
    return other.previous_owner_died();
  });
  CHECK(waiter.wait_for(20ms) == std::future_status::timeout);
  end.set_value();
  CHECK(waiter.get());
}

TEST_CASE_FIXTURE(OneCache, "a thread that has given back what it held takes nothing with it when it ends") {
  Cache second(path());
  SyncRLock one(cache, "k");
  SyncRLock two(second, "k");
  elsewhere([&] {
    one.lock();
    two.unlock();
    return 0;
  });
  one.lock();
  CHECK_FALSE(one.previous_owner_died());
  CHECK(one.owned());
}

TEST_CASE_FIXTURE(OneCache, "re-entrant locks keep many threads apart, at every depth") {
  int inside = 0;
  int most = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      SyncRLock lock(cache, "k", {.timeout = 60s});
      for (int k = 0; k < 30; ++k) {
        const std::scoped_lock outer(lock);
        most = std::max(most, ++inside);
        for (int depth = 0; depth < i; ++depth) lock.lock();
        if (k % 8 == 0) std::this_thread::yield();
        for (int depth = 0; depth < i; ++depth) lock.unlock();
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(most == 1);
  CHECK(inside == 0);
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(OneCache, "the same key as lock and as re-entrant lock excludes") {
  SyncLock lock(cache, "k");
  SyncRLock rlock(cache, "k", {.timeout = 50ms});
  lock.lock();
  CHECK_FALSE(rlock.try_lock());
  CHECK_THROWS_AS(rlock.lock(), Timeout);
  CHECK(rlock.release() == Release::not_owner);
  lock.unlock();
  rlock.lock();
  CHECK_FALSE(lock.try_lock());
  CHECK(locks(cache).front().kind == "rlock");
}

TEST_CASE_FIXTURE(OneCache, "a grant that was taken over stays one while it is entered again") {
  SyncRLock lock(cache, "k");
  {
    SyncRLock gone(cache, "k", {.lease = 1ms});
    elsewhere([&] {
      gone.lock();
      return 0;
    });
    CHECK(eventually([&] { return lock.try_lock(); }));
  }
  CHECK(lock.previous_owner_died());
  lock.lock();
  CHECK(lock.previous_owner_died());
  lock.unlock();
  lock.unlock();
  lock.lock();
  CHECK_FALSE(lock.previous_owner_died());
}
