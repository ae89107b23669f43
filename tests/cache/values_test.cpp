// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <span>
#include <vector>

#include "support/check.hpp"

TEST_CASE_FIXTURE(OneCache, "a value is what was set, until it is erased") {
  CHECK(cache.get("k") == std::nullopt);
  CHECK_FALSE(cache.contains("k"));
  cache.set("k", "v");
  CHECK(cache.get("k") == "v");
  CHECK(cache.contains("k"));
  CHECK(cache.erase("k"));
  CHECK(cache.get("k") == std::nullopt);
  CHECK_FALSE(cache.contains("k"));
  CHECK_FALSE(cache.erase("k"));
}

TEST_CASE_FIXTURE(OneCache, "the empty key and the empty value are ordinary") {
  cache.set("", "value of the empty key");
  cache.set("empty", "");
  CHECK(cache.get("") == "value of the empty key");
  REQUIRE(cache.get("empty").has_value());
  CHECK(cache.get("empty")->empty());
  CHECK(cache.contains("empty"));
  CHECK(cache.entry("empty")->size == 0);
  CHECK_FALSE(cache.add("", "again"));
  CHECK(cache.size() == 2);
  CHECK(cache.erase(""));
  CHECK(cache.get("") == std::nullopt);
}

TEST_CASE_FIXTURE(OneCache,
                  "keys and values are bytes: NUL, 0xFF, newline and quotes come back as they were") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  cache.set(all, all + all);
  CHECK(cache.get(all) == all + all);
  CHECK(cache.entry(all)->key == all);

  const std::string one("a\0b", 3);
  const std::string two("a\0c", 3);
  cache.set(one, "1");
  cache.set(two, "2");
  cache.set("a", "3");
  CHECK(cache.get(one) == "1");
  CHECK(cache.get(two) == "2");
  CHECK(cache.get("a") == "3");

  cache.set("'); DROP TABLE entries; --", "%_'\"");
  CHECK(cache.get("'); DROP TABLE entries; --") == "%_'\"");
  CHECK(cache.size() == 5);
}

TEST_CASE_FIXTURE(OneCache, "keys differ by case, by trailing spaces and by every byte") {
  cache.set("key", "1");
  CHECK_FALSE(cache.contains("KEY"));
  CHECK_FALSE(cache.contains("key "));
  CHECK_FALSE(cache.contains("ke"));
  CHECK_FALSE(cache.contains(std::string("key\0", 4)));
}

TEST_CASE_FIXTURE(OneCache, "values are found again after the cache was closed") {
  cache.set("k", "v", {.expire = 1h, .tags = {"b", "a"}});
  const Entry before = cache.entry("k").value();
  { const Cache closing = std::move(cache); }
  const Cache again(path());
  const Entry after = again.entry("k").value();
  CHECK(after.value == "v");
  CHECK(after.expires == before.expires);
  CHECK(after.stored == before.stored);
  CHECK(after.tags == std::vector<std::string>{"a", "b"});
}

TEST_CASE_FIXTURE(OneCache, "two Cache objects of one directory see each other's values at once") {
  Cache other(path());
  cache.set("k", "1");
  CHECK(other.get("k") == "1");
  other.set("k", "2");
  CHECK(cache.get("k") == "2");
  CHECK(cache.erase("k"));
  CHECK_FALSE(other.contains("k"));
}

TEST_CASE_FIXTURE(OneCache,
                  "a key and a value may be given as string, literal, string_view or range of bytes") {
  const std::string text = "text";
  const std::string_view view = "view of more";
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}};
  const std::vector<unsigned char> unsigned_chars{1, 2, 3};
  const std::array<std::byte, 2> array{std::byte{7}, std::byte{0}};
  cache.set("literal", "value");
  cache.set(text, text);
  cache.set(view.substr(0, 4), view.substr(0, 4));
  cache.set(bytes, bytes);
  cache.set(unsigned_chars, unsigned_chars);
  cache.set("array", array);
  cache.set("span", std::span(bytes));

  CHECK(cache.get("literal") == "value");
  CHECK(cache.get("text") == "text");
  CHECK(cache.get("view") == "view");
  CHECK(cache.get(std::string("\0\xFF", 2)) == std::string("\0\xFF", 2));
  CHECK(cache.get("\1\2\3") == "\1\2\3");
  CHECK(cache.get("array") == std::string("\7\0", 2));
  CHECK(cache.get("span") == std::string("\0\xFF", 2));
  CHECK(cache.entry("text")->format == Format::text);
  CHECK(cache.entry("array")->format == Format::bytes);
}

TEST_CASE_FIXTURE(OneCache, "the format is kept beside the value and changes with it") {
  cache.set("k", ByteView("{}").as(Format::json));
  CHECK(cache.entry("k")->format == Format::json);
  CHECK(cache.get("k") == "{}");
  cache.set("k", ByteView("17").as(Format::integer));
  CHECK(cache.entry("k")->format == Format::integer);
  cache.set("k", ByteView("17").as(Format::bytes));
  CHECK(cache.entry("k")->format == Format::bytes);
  // The format of a key means nothing.
  CHECK(cache.get(ByteView("k").as(Format::bytes)) == "17");
}

TEST_CASE_FIXTURE(OneCache, "entry tells all about a value") {
  const Timestamp before = std::chrono::system_clock::now();
  cache.set("k", "value", {.expire = 1h, .tags = {"b", "a", "b"}});
  const Timestamp after = std::chrono::system_clock::now();
  const Entry entry = cache.entry("k").value();
  CHECK(entry.key == "k");
  CHECK(entry.value == "value");
  CHECK(entry.size == 5);
  CHECK(entry.tags == std::vector<std::string>{"a", "b"});
  CHECK(entry.stored >= before);
  CHECK(entry.stored <= after);
  REQUIRE(entry.expires.has_value());
  CHECK(*entry.expires >= Timestamp(before.time_point() + 1h));
  CHECK(*entry.expires <= Timestamp(after.time_point() + 1h));
  CHECK(cache.entry("absent") == std::nullopt);
}

TEST_CASE_FIXTURE(OneCache, "set replaces value, expiry and tags of an older value") {
  cache.set("k", "old", {.expire = 1h, .tags = {"a", "b"}});
  SUBCASE("with others") {
    cache.set("k", "new", {.expire = 2h, .tags = {"b", "c"}});
    const Entry entry = cache.entry("k").value();
    CHECK(entry.value == "new");
    CHECK(entry.tags == std::vector<std::string>{"b", "c"});
    CHECK(entry.expires->time_point() > std::chrono::system_clock::now() + 90min);
    CHECK(cache.evict("a") == 0);
    CHECK(cache.evict("c") == 1);
  }
  SUBCASE("with none") {
    cache.set("k", "new");
    const Entry entry = cache.entry("k").value();
    CHECK(entry.value == "new");
    CHECK(entry.tags.empty());
    CHECK(entry.expires == std::nullopt);
    CHECK(cache.evict({"a", "b"}) == 0);
    CHECK(cache.stats().tags == 0);
  }
  CHECK(cache.size() <= 1);
}

TEST_CASE_FIXTURE(OneCache, "add stores what is absent and leaves alone what is there") {
  CHECK(cache.add("k", "first", {.tags = "t"}));
  CHECK_FALSE(cache.add("k", "second", {.expire = 1h, .tags = "u"}));
  const Entry entry = cache.entry("k").value();
  CHECK(entry.value == "first");
  CHECK(entry.tags == std::vector<std::string>{"t"});
  CHECK(entry.expires == std::nullopt);
  cache.erase("k");
  CHECK(cache.add("k", "third"));
  CHECK_FALSE(cache.add("k", "fourth"));
  CHECK(cache.get("k") == "third");
}

TEST_CASE_FIXTURE(OneCache, "of many threads that add one key exactly one gets true") {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> winners{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        // Half of them give tags, which is another way into the store.
        const Tags tags = i % 2 == 0 ? Tags() : Tags("t");
        if (cache.add("k" + std::to_string(round), std::to_string(i), {.tags = tags})) ++winners;
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(winners == 1);
  }
}

TEST_CASE_FIXTURE(OneCache, "erase removes a value with tags from all of them") {
  cache.set("k", "v", {.tags = {"a", "b"}});
  CHECK(cache.erase("k"));
  CHECK(cache.stats().tags == 0);
  CHECK(cache.evict({"a", "b"}) == 0);
}

TEST_CASE_FIXTURE(OneCache, "touch gives a new expiry and leaves value, tags, format and time of storing") {
  cache.set("k", ByteView("value").as(Format::json), {.expire = 1h, .tags = {"a", "b"}});
  const Entry before = cache.entry("k").value();
  CHECK(cache.touch("k", 5h));
  Entry after = cache.entry("k").value();
  CHECK(after.value == "value");
  CHECK(after.tags == before.tags);
  CHECK(after.stored == before.stored);
  CHECK(after.format == Format::json);
  CHECK(after.expires->time_point() > std::chrono::system_clock::now() + 4h);
  // Again, to none and back: each time the checksum is worked out from the one before.
  CHECK(cache.touch("k", forever));
  CHECK(cache.entry("k")->expires == std::nullopt);
  CHECK(cache.touch("k", 10min));
  CHECK(cache.get("k") == "value");
  CHECK(Cache(path()).get("k") == "value");
  CHECK_FALSE(cache.touch("absent", 1h));
  CHECK_FALSE(cache.contains("absent"));
}

TEST_CASE_FIXTURE(OneCache, "the real directory is told") {
  CHECK(cache.directory() == std::filesystem::canonical(dir / "cache"));
  CHECK(cache.directory().is_absolute());
}

TEST_CASE_FIXTURE(OneCache, "a Cache can be moved, and what stands on it goes on working") {
  cache.set("k", "v");
  const Entries all = cache.entries();
  Cache moved = std::move(cache);
  CHECK(moved.get("k") == "v");
  { Cache gone = std::move(moved); }
  int seen = 0;
  for (const Entry& entry : all) seen += entry.key == "k" ? 1 : 0;
  CHECK(seen == 1);
}
