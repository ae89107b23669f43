// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <vector>

#include "support/check.hpp"

namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

}  // namespace

TEST_CASE_FIXTURE(OneCache, "incr of a missing key stores initial + delta with the options") {
  CHECK(cache.incr("n") == 1);
  CHECK(cache.incr("m", 5, 100) == 105);
  CHECK(cache.incr("tagged", -3, 0, {.expire = 1h, .tags = {"b", "a"}}) == -3);
  const Entry entry = cache.entry("tagged").value();
  CHECK(entry.value == "-3");
  CHECK(entry.format == Format::integer);
  CHECK(entry.tags == std::vector<std::string>{"a", "b"});
  CHECK(entry.expires.has_value());
}

TEST_CASE_FIXTURE(OneCache, "incr adds to what is there, keeping tags and expiry") {
  cache.set("n", "41", {.expire = 1h, .tags = {"a", "b"}});
  const Entry before = cache.entry("n").value();
  CHECK(cache.incr("n", 1, 1000, {.expire = 5min, .tags = "other"}) == 42);
  const Entry after = cache.entry("n").value();
  CHECK(after.value == "42");
  CHECK(after.format == Format::integer);
  CHECK(after.tags == before.tags);
  CHECK(after.expires == before.expires);
  CHECK(cache.incr("n", -50) == -8);
  CHECK(cache.incr("n", 0) == -8);
  CHECK(cache.get("n") == "-8");
  CHECK(cache.evict({"a", "b"}, Match::all) == 1);
}

TEST_CASE_FIXTURE(OneCache, "incr on what is no integer of 64 bits is WrongType, and the value stays") {
  const std::string longest = std::to_string(kMost);
  for (const std::string& value :
       {std::string("text"), std::string(), std::string(" 1"), std::string("1 "), std::string("+1"),
        std::string("1.5"), std::string("0x10"), std::string("1\0", 2), std::string("9223372036854775808"),
        longest + "0", std::string("-"), std::string("--1"), std::string("1e3")}) {
    CAPTURE(value);
    cache.set("n\x1b", value, {.tags = "t"});
    const std::string text = thrown<WrongType>([&] { cache.incr("n\x1b"); });
    CHECK(has(text, "n\\x1b"));
    CHECK(cache.get("n\x1b") == value);
    CHECK(cache.entry("n\x1b")->tags.size() == 1);
  }
}

TEST_CASE_FIXTURE(OneCache, "a sum that does not fit 64 bits is InvalidArgument, and the value stays") {
  cache.set("n", std::to_string(kMost));
  CHECK(has(thrown<InvalidArgument>([&] { cache.incr("n"); }), "9223372036854775807"));
  CHECK(cache.get("n") == std::to_string(kMost));
  CHECK(cache.incr("n", 0) == kMost);
  CHECK(cache.incr("n", -1) == kMost - 1);
  cache.set("n", std::to_string(kLeast));
  CHECK_THROWS_AS(cache.incr("n", -1), InvalidArgument);
  CHECK(cache.get("n") == std::to_string(kLeast));
  CHECK(cache.incr("n", kMost) == -1);
  CHECK_THROWS_AS(cache.incr("new", 1, kMost), InvalidArgument);
  CHECK_FALSE(cache.contains("new"));
}

TEST_CASE_FIXTURE(OneCache, "no increment of many threads is lost") {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) cache.incr("n", 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(cache.get("n") == "800");
}
