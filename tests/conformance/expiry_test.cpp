// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "conformance/engines.hpp"

ENGINE_TEST("a value is live until its time has come, and then as if it were not there") {
  cache.set("k", "v", {.expire = 50ms, .tags = "t"});
  cache.set("stays", "v", {.expire = 1h, .tags = "t"});
  CHECK(eventually([&] { return !cache.contains("k"); }));
  CHECK_FALSE(cache.get("k"));
  CHECK_FALSE(cache.entry("k"));
  CHECK_FALSE(cache.get_to("k", [](std::span<const std::byte>) {}));
  CHECK(keys(cache, {.tags = "t"}) == Keys{"stays"});
  check_keys(cache, {"stays"});
}

ENGINE_TEST("a value that is stored as expired is never seen") {
  for (const SetOptions& options : {SetOptions{.expire = 0s}, SetOptions{.expire = -1s},
                                    SetOptions{.expire_at = std::chrono::system_clock::now()},
                                    SetOptions{.expire_at = Timestamp::from_unix_nanoseconds(-1)}}) {
    cache.set("k", "live");
    cache.set("k", "dead", options);
    CHECK_FALSE(cache.get("k"));
    CHECK(cache.size() == 0);
  }
}

ENGINE_TEST("what never expires has no expiry") {
  cache.set("a", "v", {.expire = forever});
  cache.set("b", "v",
            {.expire_at = Timestamp::from_unix_nanoseconds(std::numeric_limits<std::int64_t>::max())});
  CHECK_FALSE(cache.entry("a").value().expires);
  CHECK_FALSE(cache.entry("b").value().expires);
}

ENGINE_TEST("an expiry is kept to the nanosecond") {
  const auto when = Timestamp::from_unix_nanoseconds(
      Timestamp(std::chrono::system_clock::now() + 1h).unix_nanoseconds() | 1);
  cache.set("k", "v", {.expire_at = when});
  CHECK(cache.entry("k").value().expires == when);
}

ENGINE_TEST("expire removes what has expired and says how many") {
  for (const int count : {0, 1, 199, 200, 450}) {
    CAPTURE(count);
    cache.set("live", "v", {.expire = 1h, .tags = "t"});
    cache.set("for ever", "v");
    store_numbered(cache, count, "dead", {.expire = 0s, .tags = {"t", "dead"}});
    // Some may have gone by themselves.
    const std::uint64_t left = cache.stats().expired;
    CHECK(left <= static_cast<std::uint64_t>(count));
    CHECK(cache.expire() == left);
    CHECK(cache.expire() == 0);
    const Stats stats = cache.stats();
    CHECK(stats.expired == 0);
    CHECK(stats.entries == 2);
    CHECK(stats.tags == 1);
    check_keys(cache, {"live", "for ever"});
  }
}

ENGINE_TEST("a value that was given another expiry expires by that one") {
  cache.set("longer", "v", {.expire = 1h});
  cache.set("shorter", "v", {.expire = 1h});
  cache.set("overwritten", "v", {.expire = 0s});
  CHECK(cache.touch("longer", 2h));
  CHECK(cache.touch("shorter", 0s));
  cache.set("overwritten", "v", {.expire = 1h});
  CHECK(cache.expire() <= 1);
  check_keys(cache, {"longer", "overwritten"});
}

ENGINE_TEST("expired values go by themselves while others are stored") {
  store_numbered(cache, 500, "dead", {.expire = 0s});
  for (int i = 0; i < 4000; ++i) cache.set("k" + std::to_string(i % 40), "v");
  CHECK(cache.stats().expired == 0);
  CHECK(cache.size() == 40);
}

ENGINE_TEST("stats count exactly") {
  cache.set("a", "12345", {.tags = {"x", "y"}});
  cache.set("b", "123", {.tags = "x"});
  CHECK(cache.stats().value_bytes == 8);
  CHECK(cache.stats().tags == 2);
  cache.set("c", "1", {.expire = 0s, .tags = "z"});
  static_cast<void>(cache.get("a"));
  static_cast<void>(cache.get("absent"));
  static_cast<void>(cache.get("c"));
  const Stats stats = cache.stats();
  CHECK(stats.entries == 2);
  // What has expired counts as long as it is there.
  CHECK(stats.expired <= 1);
  CHECK(stats.value_bytes == 8 + stats.expired);
  CHECK(stats.tags == 2 + stats.expired);
  CHECK(stats.locks == 0);
  CHECK(stats.hits == 1);
  CHECK(stats.misses == 2);
  CHECK_FALSE(stats.engine.empty());
}
