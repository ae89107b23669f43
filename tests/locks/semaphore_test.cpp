// SPDX-License-Identifier: Apache-2.0
#include "dcache/semaphore.hpp"

#include <atomic>
#include <mutex>
#include <stop_token>
#include <thread>

#include "support/check.hpp"
#include "support/database.hpp"
#include "support/worker.hpp"

TEST_CASE_FIXTURE(OneCache, "as many permits are out as there are, and no more") {
  Semaphore a(cache, "k", 3);
  Semaphore b(cache, "k", 3);
  a.acquire();
  b.acquire(2);
  CHECK_FALSE(a.try_acquire());
  CHECK_FALSE(b.try_acquire_for(20ms));
  CHECK_FALSE(b.try_acquire_until(std::chrono::steady_clock::now() + 20ms));
  CHECK(locks(cache).front().holders.size() == 2);
  CHECK(locks(cache).front().holders.back().count == 2);
  CHECK(locks(cache).front().kind == "semaphore");
  CHECK(b.release() == Release::released);
  CHECK(a.try_acquire());
  CHECK(a.release(2) == Release::released);
  CHECK(a.release() == Release::not_owner);
  CHECK(b.release(2) == Release::not_owner);
  CHECK(b.owned());
  CHECK(b.release() == Release::released);
  CHECK(locks(cache).empty());
  CHECK(a.permits() == 3);
}

TEST_CASE_FIXTURE(OneCache, "a semaphore is a lock of one permit to guards") {
  Semaphore two(cache, "k", 2);
  const std::scoped_lock first(two);
  const std::unique_lock second(two);
  CHECK_FALSE(two.try_lock());
  CHECK(two.holder()->count == 2);
}

TEST_CASE_FIXTURE(OneCache, "any thread gives permits back through the handle") {
  Semaphore semaphore(cache, "k", 2);
  elsewhere([&] { semaphore.acquire(2); });
  elsewhere([&] { CHECK(semaphore.release(2) == Release::released); });
}

TEST_CASE_FIXTURE(OneCache, "a handle that goes gives back all of its permits") {
  Semaphore other(cache, "k", 3);
  {
    Semaphore semaphore(cache, "k", 3);
    semaphore.acquire(2);
    semaphore.acquire();
    CHECK_FALSE(other.try_acquire());
  }
  CHECK(other.try_acquire(3));
}

TEST_CASE_FIXTURE(OneCache, "numbers that make no sense are refused by name") {
  CHECK_THROWS_WITH_AS(Semaphore(cache, "k", 0),
                       "lock 'k': the number of permits is 0, and must be at least 1", InvalidArgument);
  CHECK_THROWS_AS(Semaphore(cache, "k", -1), InvalidArgument);
  Semaphore semaphore(cache, "k", 3);
  CHECK_THROWS_AS(semaphore.acquire(0), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(semaphore.try_acquire(-5)), InvalidArgument);
  CHECK_THROWS_WITH_AS(semaphore.acquire(4), "lock 'k' has 3 permits, so that 4 can never be had",
                       InvalidArgument);
  CHECK_THROWS_AS(semaphore.release(0), InvalidArgument);
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(
    OneCache, "another number of permits, or another kind, on a key in use is refused, and both are named") {
  Semaphore three(cache, "k", 3);
  three.acquire();
  Semaphore five(cache, "k", 5);
  CHECK_THROWS_WITH_AS(
      five.acquire(),
      "lock 'k' is in use as a semaphore of 3 permits, so it cannot be a semaphore of 5 permits; "
      "use another key",
      InvalidArgument);
  SyncLock lock(cache, "k");
  CHECK_THROWS_WITH_AS(
      lock.lock(), "lock 'k' is in use as a semaphore of 3 permits, so it cannot be a lock; use another key",
      InvalidArgument);
  CHECK(three.release() == Release::released);
  CHECK(five.try_acquire(5));
}

TEST_CASE_FIXTURE(OneCache, "who waits for several permits gets them together, and is not starved by ones") {
  Semaphore semaphore(cache, "k", 2, {.timeout = 30s});
  semaphore.acquire(2);
  std::atomic<bool> got = false;
  std::thread waiter([&] {
    Semaphore all(cache, "k", 2, {.timeout = 30s});
    all.acquire(2);
    got = true;
  });
  while (locks(cache).front().waiters.empty()) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(5ms);
  CHECK(semaphore.release() == Release::released);
  Semaphore late(cache, "k", 2);
  CHECK_FALSE(late.try_acquire());
  CHECK_FALSE(got);
  CHECK(semaphore.release() == Release::released);
  waiter.join();
  CHECK(got);
}

TEST_CASE_FIXTURE(OneCache, "a wait for permits is cancelled by a stop token") {
  Semaphore semaphore(cache, "k", 1);
  semaphore.acquire();
  std::stop_source stop;
  std::thread waiter([&] {
    Semaphore other(cache, "k", 1);
    CHECK_THROWS_AS(other.acquire(stop.get_token()), Cancelled);
  });
  std::this_thread::sleep_for(20ms);
  stop.request_stop();
  waiter.join();
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "the permits of a killed process come back") {
    Worker worker({"shell", path()});
    REQUIRE(worker.line() == "ready");
    REQUIRE(worker.ask("permits k 3 2").starts_with("held "));
    Semaphore semaphore(cache, "k", 3);
    CHECK(semaphore.try_acquire());
    CHECK_FALSE(semaphore.try_acquire());
    worker.kill();
    CHECK(semaphore.try_acquire_for(20s, 2));
    CHECK(locks(cache).front().holders.size() == 1);
  }
}
