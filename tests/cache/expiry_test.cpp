// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "support/check.hpp"

namespace {

using Seconds = std::chrono::duration<double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE_FIXTURE(OneCache, "an expired value is a miss in every call") {
  cache.set("k", "1", {.expire = 0s, .tags = "t"});
  cache.set("plain", "1", {.expire = -1s});
  for (const char* key : {"k", "plain"}) {
    CAPTURE(std::string(key));
    CHECK(cache.get(key) == std::nullopt);
    CHECK(cache.entry(key) == std::nullopt);
    CHECK_FALSE(cache.contains(key));
    CHECK_FALSE(cache.touch(key, 1h));
    CHECK(cache.get(key) == std::nullopt);
  }
  CHECK(cache.size() == 0);
  CHECK(cache.stats().entries == 0);
  CHECK(cache.stats().expired == 2);
  for (const Entry& entry : cache.entries()) FAIL_CHECK(entry.key);
  for (const Entry& entry : cache.entries({.tags = "t"})) FAIL_CHECK(entry.key);
  for (const Entry& entry : cache.entries({.prefix = "p"})) FAIL_CHECK(entry.key);
  CHECK_FALSE(cache.erase("k"));
  CHECK_FALSE(cache.erase("plain"));
  CHECK(cache.stats().expired == 0);
  CHECK(cache.stats().tags == 0);
}

TEST_CASE_FIXTURE(OneCache, "a value is live until its time has come, and then it is not") {
  cache.set("k", "v", {.expire = 500ms});
  CHECK(cache.get("k") == "v");
  CHECK(eventually([&] { return !cache.contains("k"); }));
  CHECK(cache.get("k") == std::nullopt);
}

TEST_CASE_FIXTURE(OneCache, "add over an expired value stores value, expiry and tags afresh") {
  for (const Tags& old_tags : {Tags(), Tags("old")}) {
    for (const Tags& new_tags : {Tags(), Tags("new")}) {
      CAPTURE(old_tags.size());
      CAPTURE(new_tags.size());
      cache.set("k", "old", {.expire = 0s, .tags = old_tags});
      CHECK(cache.add("k", "new", {.tags = new_tags}));
      Entry entry = cache.entry("k").value();
      CHECK(entry.value == "new");
      CHECK(entry.expires == std::nullopt);
      CHECK(entry.tags == new_tags.names());

      cache.set("k", "old", {.expire = 0s, .tags = old_tags});
      CHECK(cache.add("k", "newer", {.expire = 1h, .tags = new_tags}));
      entry = cache.entry("k").value();
      CHECK(entry.value == "newer");
      CHECK(entry.expires->time_point() > std::chrono::system_clock::now() + 59min);
      CHECK(cache.evict("old") == 0);
    }
  }
}

TEST_CASE_FIXTURE(OneCache, "incr of an expired number begins anew, with the given expiry and tags") {
  cache.set("n", "41", {.expire = 0s, .tags = "old"});
  CHECK(cache.incr("n", 1, 10, {.expire = 1h, .tags = "new"}) == 11);
  const Entry entry = cache.entry("n").value();
  CHECK(entry.tags == std::vector<std::string>{"new"});
  CHECK(entry.expires->time_point() > std::chrono::system_clock::now() + 59min);
}

TEST_CASE_FIXTURE(OneCache, "a duration of NaN is refused and nothing is stored") {
  CHECK_THROWS_AS(cache.set("k", "v", {.expire = Seconds(std::nan(""))}), InvalidArgument);
  CHECK_THROWS_AS(cache.set("k", "v", {.expire = std::chrono::duration<float>(std::nanf(""))}),
                  InvalidArgument);
  CHECK_THROWS_AS(cache.touch("k", Seconds(std::nan(""))), InvalidArgument);
  CHECK_FALSE(cache.contains("k"));
}

TEST_CASE_FIXTURE(OneCache, "a duration of 0 or less is over at once, however small it is") {
  for (const Duration life : {Duration(0s), Duration(-1ns), Duration(-1h), Duration(Seconds(-kInfinity)),
                              Duration(Seconds(-1e308)), Duration(std::chrono::hours::min()), Duration()}) {
    CAPTURE(life.nanoseconds().count());
    cache.set("k", "v", {.expire = life});
    CHECK_FALSE(cache.contains("k"));
    cache.set("k", "v");
    CHECK(cache.touch("k", life));
    CHECK_FALSE(cache.contains("k"));
  }
}

TEST_CASE_FIXTURE(OneCache, "a duration without end never expires, however it is written") {
  for (const Duration life :
       {forever, Duration(Seconds(kInfinity)), Duration(Seconds(1e308)), Duration(std::chrono::hours::max()),
        Duration(std::chrono::nanoseconds::max()), Duration(std::chrono::years(10000))}) {
    cache.set("k", "v", {.expire = life});
    CHECK(cache.entry("k").value().expires == std::nullopt);
    cache.set("k", "v", {.expire = 1h});
    CHECK(cache.touch("k", life));
    CHECK(cache.entry("k").value().expires == std::nullopt);
  }
}

TEST_CASE_FIXTURE(OneCache, "an end beyond what a timestamp can say is for ever, not long ago") {
  const auto almost = std::chrono::nanoseconds(std::numeric_limits<std::int64_t>::max() - 1);
  cache.set("k", "v", {.expire = almost});
  CHECK(cache.entry("k").value().expires == std::nullopt);
  cache.set("k", "v", {.expire = std::chrono::years(200)});
  CHECK(cache.entry("k").value().expires.has_value());
}

TEST_CASE_FIXTURE(OneCache, "expire_at names the end") {
  const auto now = std::chrono::system_clock::now();
  cache.set("later", "v", {.expire_at = now + 1h});
  CHECK(cache.entry("later").value().expires == Timestamp(now + 1h));
  cache.set("past", "v", {.expire_at = now - 1s});
  CHECK_FALSE(cache.contains("past"));
  cache.set("epoch", "v", {.expire_at = Timestamp()});
  CHECK_FALSE(cache.contains("epoch"));
  cache.set("first", "v", {.expire_at = std::chrono::system_clock::time_point::min()});
  CHECK_FALSE(cache.contains("first"));
  cache.set("last", "v", {.expire_at = std::chrono::system_clock::time_point::max()});
  CHECK(cache.entry("last").value().expires == std::nullopt);
  using Days =
      std::chrono::time_point<std::chrono::system_clock, std::chrono::duration<int, std::ratio<86400>>>;
  cache.set("days", "v", {.expire_at = Days::max()});
  CHECK(cache.entry("days").value().expires == std::nullopt);
}

TEST_CASE_FIXTURE(OneCache, "expire and expire_at together are refused") {
  const SetOptions both{.expire = 1h, .expire_at = std::chrono::system_clock::now()};
  CHECK(has(thrown<InvalidArgument>([&] { cache.set("k", "v", both); }), "expire_at"));
  CHECK_THROWS_AS(static_cast<void>(cache.add("k", "v", both)), InvalidArgument);
  CHECK_THROWS_AS(cache.incr("k", 1, 0, both), InvalidArgument);
  CHECK_FALSE(cache.contains("k"));
}

TEST_CASE("durations of every kind are cut to what 64 bits of nanoseconds hold") {
  CHECK(Duration(1s).nanoseconds() == 1s);
  CHECK(Duration(Seconds(0.25)).nanoseconds() == 250ms);
  CHECK(Duration(std::chrono::duration<float, std::milli>(1.5F)).nanoseconds() == 1500us);
  CHECK(Duration(std::chrono::hours::max()).is_forever());
  CHECK(Duration(std::chrono::hours::min()).nanoseconds() == std::chrono::nanoseconds::min());
  CHECK(Duration(std::chrono::nanoseconds::max() - 1ns) < forever);
  CHECK(Duration(std::chrono::duration<std::int64_t, std::pico>(1500)).nanoseconds() == 1ns);
  static_assert(Duration(2min) > Duration(1min));
  static_assert(Duration() == Duration(0s));
}
