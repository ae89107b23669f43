// SPDX-License-Identifier: Apache-2.0
#include "cache/limits.hpp"

#include "support/check.hpp"

namespace {

/// Every call that takes a key.
void for_each_key_call(Cache& cache, const std::string& key, auto&& check) {
  check([&] { cache.set(key, "v"); });
  check([&] { static_cast<void>(cache.add(key, "v")); });
  check([&] { static_cast<void>(cache.get(key)); });
  check([&] { static_cast<void>(cache.entry(key)); });
  check([&] { static_cast<void>(cache.contains(key)); });
  check([&] { cache.erase(key); });
  check([&] { cache.touch(key, 1h); });
  check([&] { cache.incr(key); });
}

std::vector<std::string> numbered(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("tag" + std::to_string(i));
  return names;
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "a key of 4096 bytes works in every call") {
  const std::string key(kMaxKeyBytes, 'k');
  REQUIRE(key.size() == 4096);
  cache.set(key, "1");
  for_each_key_call(cache, key, [](auto&& call) { CHECK_NOTHROW(call()); });
  cache.set(key, "v");
  CHECK(cache.get(key) == "v");
}

TEST_CASE_FIXTURE(OneCache, "a key of 4097 bytes is refused by every call, and nothing is written") {
  const std::string key = "\x1b[31m" + std::string(kMaxKeyBytes - 4, 'k');
  REQUIRE(key.size() == 4097);
  const auto wal_before = cache.stats().wal_bytes;
  for_each_key_call(cache, key, [](auto&& call) {
    const std::string text = thrown<InvalidArgument>(call);
    CHECK(has(text, "4097"));
    CHECK(has(text, "4096"));
    CHECK(has(text, "\\x1b[31m"));
    CHECK(text.size() < 300);
  });
  CHECK(cache.stats().wal_bytes == wal_before);
  CHECK(cache.size() == 0);
}

TEST_CASE_FIXTURE(OneCache, "a value of any size around the threshold of files comes back whole") {
  for (const std::size_t size : {32767U, 32768U, 32769U, 1000000U}) {
    std::string value(size, '\0');
    for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 131 + i / 256);
    cache.set("k", value);
    CHECK(cache.get("k") == value);
    CHECK(cache.touch("k", 1h));
    CHECK(cache.get("k") == value);
    CHECK(cache.entry("k")->size == size);
  }
}

TEST_CASE_FIXTURE(OneCache, "a value of more than 1 GiB is refused, and the old one stays") {
  // Only its size is looked at.
  const std::string_view value("v", kMaxValueBytes + 1);
  cache.set("k", "old");
  const auto wal_before = cache.stats().wal_bytes;
  const std::string text = thrown<InvalidArgument>([&] { cache.set("k", value); });
  CHECK(has(text, "1073741825"));
  CHECK(has(text, "1073741824"));
  CHECK(has(text, "'k'"));
  CHECK_THROWS_AS(static_cast<void>(cache.add("new", value)), InvalidArgument);
  CHECK(cache.get("k") == "old");
  CHECK_FALSE(cache.contains("new"));
  CHECK(cache.stats().wal_bytes == wal_before);
}

TEST_CASE_FIXTURE(OneCache, "64 tags are stored, 65 are refused, repeats do not count") {
  cache.set("k", "v", {.tags = numbered(64)});
  CHECK(cache.entry("k")->tags.size() == 64);
  const std::string text = thrown<InvalidArgument>([&] { cache.set("k", "w", {.tags = numbered(65)}); });
  CHECK(has(text, "65"));
  CHECK(has(text, "64"));
  CHECK_THROWS_AS(static_cast<void>(cache.add("new", "w", {.tags = numbered(65)})), InvalidArgument);
  CHECK_THROWS_AS(cache.incr("new", 1, 0, {.tags = numbered(65)}), InvalidArgument);
  CHECK_THROWS_AS(cache.evict(numbered(65)), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(cache.entries({.tags = numbered(65)})), InvalidArgument);
  CHECK(cache.get("k") == "v");
  CHECK_FALSE(cache.contains("new"));

  std::vector<std::string> repeated = numbered(64);
  for (const std::string& name : numbered(64)) repeated.push_back(name);
  cache.set("k", "x", {.tags = repeated});
  CHECK(cache.entry("k")->tags.size() == 64);
}

TEST_CASE_FIXTURE(OneCache, "a tag has 1 to 256 bytes, of any kind") {
  const std::string longest(kMaxTagBytes, '\xFF');
  REQUIRE(longest.size() == 256);
  const std::string odd("a\0'%--\n", 7);
  cache.set("k", "v", {.tags = {longest, odd}});
  CHECK(cache.entry("k")->tags == std::vector<std::string>{odd, longest});
  CHECK(has(thrown<InvalidArgument>([&] { cache.set("k", "w", {.tags = longest + "x"}); }), "257"));
  CHECK(has(thrown<InvalidArgument>([&] { cache.set("k", "w", {.tags = ""}); }), "empty"));
  CHECK_THROWS_AS(cache.set("k", "w", {.tags = {"good", ""}}), InvalidArgument);
  CHECK_THROWS_AS(cache.evict({"good", ""}), InvalidArgument);
  CHECK(cache.get("k") == "v");
  CHECK(cache.evict("a") == 0);
  CHECK(cache.evict("%") == 0);
  CHECK(cache.evict(odd) == 1);
}

TEST_CASE("tags are sorted and stored once") {
  CHECK(checked_tags({"b", "a", "b", "c", "a"}) == std::vector<std::string>{"a", "b", "c"});
  CHECK(checked_tags({}).empty());
}

TEST_CASE_FIXTURE(OneCache, "a negative timeout is refused when the cache is opened") {
  CHECK_THROWS_AS(Cache(path(), {.timeout = -1s}), InvalidArgument);
  CHECK_NOTHROW(Cache(path(), {.timeout = 0s}));
  CHECK_NOTHROW(Cache(path(), {.timeout = forever}));
  CHECK_NOTHROW(Cache(path(), {.timeout = std::chrono::hours::max()}));
}
