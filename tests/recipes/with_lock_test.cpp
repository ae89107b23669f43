// SPDX-License-Identifier: Apache-2.0
#include "dcache/with_lock.hpp"

#include <memory>
#include <stdexcept>

#include "conformance/engines.hpp"
#include "support/check.hpp"

ENGINE_TEST("with_lock returns what the function returns, which runs under the lock") {
  const std::unique_ptr<int> result = with_lock(cache, "k", [&] {
    CHECK(SyncLock(cache, "k").locked());
    return std::make_unique<int>(7);
  });
  CHECK(*result == 7);
  CHECK(locks(cache).empty());
  int seen = 0;
  with_lock(cache, "k", [&] { seen = 1; });
  CHECK(seen == 1);
}

ENGINE_TEST("a function that takes the lock can guard its writes with it") {
  with_lock(cache, "k", [&](SyncLock& lock) { cache.set("v", "1", {.guard = lock}); });
  CHECK(cache.get("v") == "1");
}

ENGINE_TEST("with_lock waits at most its timeout; try_with_lock skips at once") {
  SyncLock other(cache, "k");
  other.lock();
  bool ran = false;
  CHECK_THROWS_AS(with_lock(cache, "k", [&] { ran = true; }, {.timeout = 10ms}), Timeout);
  CHECK_FALSE(try_with_lock(cache, "k", [&] { ran = true; }));
  CHECK_FALSE(ran);
  CHECK(try_with_lock(cache, "k", [] { return 1; }) == std::nullopt);
  other.unlock();
  CHECK(try_with_lock(cache, "k", [] { return 1; }) == std::optional(1));
  CHECK(try_with_lock(cache, "k", [&] { ran = true; }));
  CHECK(ran);
}

ENGINE_TEST("what the function throws comes out, is not taken for busy, and frees the lock") {
  const auto fails = []() -> int { throw Timeout("mine"); };
  CHECK(thrown<Timeout>([&] { with_lock(cache, "k", fails); }) == "mine");
  CHECK(thrown<Timeout>([&] { static_cast<void>(try_with_lock(cache, "k", fails)); }) == "mine");
  const auto busy = [] { throw Busy("mine"); };
  CHECK(thrown<Busy>([&] { static_cast<void>(try_with_lock(cache, "k", busy)); }) == "mine");
  CHECK(locks(cache).empty());
}

ENGINE_TEST("with keep the lock stays until its lease ends: at most once in a while") {
  const LockOptions hourly{.timeout = 0s, .lease = 1h, .keep = true};
  CHECK(try_with_lock(
      cache, "k", [] {}, hourly));
  CHECK_FALSE(try_with_lock(
      cache, "k", [] {}, hourly));
  const LockOptions shortly{.lease = 1ms, .keep = true};
  CHECK(try_with_lock(
      cache, "short", [] {}, shortly));
  CHECK(eventually([&] { return try_with_lock(cache, "short", [] {}); }));
}

ENGINE_TEST("kept on success only, the lock is free at once when the function throws") {
  const LockOptions hourly{.lease = 1h, .keep = true};
  const auto fails = [] { throw std::runtime_error("no"); };
  CHECK_THROWS_AS(static_cast<void>(try_with_lock(cache, "k", fails, hourly, KeepOn::success)),
                  std::runtime_error);
  CHECK(try_with_lock(
      cache, "k", [] {}, hourly, KeepOn::success));
  CHECK_FALSE(try_with_lock(
      cache, "k", [] {}, hourly, KeepOn::success));
  // Otherwise it is kept either way.
  CHECK_THROWS_AS(static_cast<void>(try_with_lock(cache, "other", fails, hourly)), std::runtime_error);
  CHECK_FALSE(try_with_lock(
      cache, "other", [] {}, hourly));
}

ENGINE_TEST("a lock that was lost while the function ran is told") {
  const auto clears = [&](SyncLock& lock) {
    REQUIRE(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  };
  CHECK(has(thrown<LockLost>([&] { with_lock(cache, "k", clears); }), "'k'"));
  CHECK_THROWS_AS(with_lock(cache, "k", clears, {.lease = 1h, .keep = true}), LockLost);
  // Unless the function threw: that matters more.
  CHECK_THROWS_AS(with_lock(cache, "k",
                            [&](SyncLock& lock) {
                              clears(lock);
                              throw std::runtime_error("no");
                            }),
                  std::runtime_error);
  CHECK(try_with_lock(cache, "k", [] {}));
}
