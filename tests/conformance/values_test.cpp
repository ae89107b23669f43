// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <future>
#include <limits>
#include <stdexcept>

#include "conformance/engines.hpp"

namespace {

const std::string kLarge(std::size_t{3} << 20, 'x');  // more than a page, a part or a row

/// How many of some threads get true from `f`, all at once.
template <class F>
int winners(F f) {
  std::atomic<bool> go{false};
  std::vector<std::future<bool>> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(std::async(std::launch::async, [&, i] {
      while (!go) std::this_thread::yield();
      return f(i);
    }));
  }
  go = true;
  int number = 0;
  for (std::future<bool>& thread : threads) number += thread.get() ? 1 : 0;
  return number;
}

}  // namespace

ENGINE_TEST("what is set can be got, whatever bytes it has") {
  const std::string odd("\0\xFF\n'", 4);
  for (const std::string& key : {std::string(), odd, std::string(kMaxKeyBytes, 'k'), std::string("k")}) {
    for (const std::string& value : {std::string(), odd, std::string("v"), kLarge}) {
      cache.set(key, value);
      CHECK(cache.get(key) == value);
      CHECK(cache.contains(key));
      CHECK(cache.entry(key).value().size == value.size());
    }
  }
  CHECK(cache.size() == 4);
  CHECK_FALSE(cache.get("absent"));
  CHECK_FALSE(cache.entry("absent"));
  CHECK_FALSE(cache.contains("absent"));
  CHECK_FALSE(cache.get(std::string("k\0", 2)));
}

ENGINE_TEST("what breaks the limits is InvalidArgument and changes nothing") {
  CHECK_THROWS_AS(cache.set(std::string(kMaxKeyBytes + 1, 'k'), "v"), InvalidArgument);
  CHECK_THROWS_AS(cache.set("k", "v", {.tags = ""}), InvalidArgument);
  CHECK_THROWS_AS(cache.set("k", "v", {.expire = 1s, .expire_at = std::chrono::system_clock::now()}),
                  InvalidArgument);
  CHECK(cache.size() == 0);
}

ENGINE_TEST("an entry tells all about its value") {
  const auto before = std::chrono::system_clock::now();
  cache.set("k", "value", {.expire = 1h, .tags = {"b", "a", "b"}});
  const auto after = std::chrono::system_clock::now();
  const Entry entry = cache.entry("k").value();
  CHECK(entry.key == "k");
  CHECK(entry.value == "value");
  CHECK(entry.size == 5);
  CHECK(entry.tags == Keys{"a", "b"});
  CHECK(entry.format == Format::text);
  CHECK((entry.stored >= Timestamp(before) && entry.stored <= Timestamp(after)));
  CHECK((entry.expires >= Timestamp(before + 1h) && entry.expires <= Timestamp(after + 1h)));

  const std::array<std::byte, 2> bytes{};
  cache.set("k", bytes);
  CHECK(cache.entry("k").value().format == Format::bytes);
  cache.set("k", ByteView("[]").as(Format::json));
  CHECK(cache.entry("k").value().format == Format::json);
}

ENGINE_TEST("set replaces value, expiry and tags") {
  cache.set("k", "old", {.expire = 1h, .tags = "t"});
  cache.set("k", "new");
  const Entry entry = cache.entry("k").value();
  CHECK(entry.value == "new");
  CHECK_FALSE(entry.expires);
  CHECK(entry.tags.empty());
  CHECK(keys(cache, {.tags = "t"}).empty());
  CHECK(cache.size() == 1);
}

ENGINE_TEST("add stores only what is absent or expired") {
  CHECK(cache.add("k", "1", {.tags = "t"}));
  CHECK_FALSE(cache.add("k", "2"));
  CHECK(cache.get("k") == "1");
  CHECK(cache.entry("k").value().tags == Keys{"t"});
  cache.set("dead", "1", {.expire = 0s, .tags = "t"});
  CHECK(cache.add("dead", "2"));
  CHECK(cache.get("dead") == "2");
  CHECK(keys(cache, {.tags = "t"}) == Keys{"k"});
  CHECK(cache.erase("k"));
  CHECK(cache.add("k", "3"));
}

ENGINE_TEST("of several callers of add at once exactly one stores") {
  for (int round = 0; round < 20; ++round) {
    const std::string key = "k" + std::to_string(round);
    CHECK(winners([&](int i) { return cache.add(key, std::to_string(i)); }) == 1);
  }
}

ENGINE_TEST("erase removes, and says whether there was something live") {
  cache.set("k", "v", {.tags = "t"});
  cache.set("dead", "v", {.expire = 0s});
  CHECK(cache.erase("k"));
  CHECK_FALSE(cache.erase("k"));
  CHECK_FALSE(cache.erase("dead"));
  CHECK_FALSE(cache.erase("absent"));
  CHECK_FALSE(cache.get("k"));
  CHECK(cache.evict("t") == 0);
  check_keys(cache, {});
}

ENGINE_TEST("pop removes a live value and returns it") {
  cache.set("k", "v", {.expire = 1h, .tags = "t"});
  cache.set("large", kLarge);
  cache.set("dead", "v", {.expire = 0s});
  const Entry entry = store().pop("k").value();
  CHECK(entry.value == "v");
  CHECK(entry.tags == Keys{"t"});
  CHECK(entry.expires.has_value());
  CHECK(cache.pop("large") == kLarge);
  CHECK_FALSE(cache.pop("k"));
  CHECK_FALSE(cache.pop("dead"));
  check_keys(cache, {});
}

ENGINE_TEST("of several callers of pop at once exactly one gets the value") {
  for (int round = 0; round < 20; ++round) {
    cache.set("k", "v");
    CHECK(winners([&](int) { return cache.pop("k").has_value(); }) == 1);
  }
}

ENGINE_TEST("replace stores only in place of the expected bytes") {
  cache.set("k", "1", {.expire = 1h, .tags = "t"});
  CHECK_FALSE(cache.replace("k", "2", "3"));
  CHECK_FALSE(cache.replace("k", "", "3"));
  CHECK_FALSE(cache.replace("absent", "", "3"));
  CHECK(cache.get("k") == "1");
  CHECK(cache.replace("k", "1", "3", {.tags = "u"}));
  const Entry entry = cache.entry("k").value();
  CHECK(entry.value == "3");
  CHECK_FALSE(entry.expires);
  CHECK(entry.tags == Keys{"u"});
  cache.set("dead", "1", {.expire = 0s});
  CHECK_FALSE(cache.replace("dead", "1", "2"));
  cache.set("large", kLarge);
  CHECK_FALSE(cache.replace("large", kLarge + "x", "small"));
  CHECK(cache.replace("large", kLarge, kLarge + "x"));
  CHECK(cache.replace("large", kLarge + "x", "small"));
  CHECK(cache.get("large") == "small");
}

ENGINE_TEST("counting by replace loses nothing") {
  cache.set("n", "0");
  winners([&](int) {
    for (int i = 0; i < 25; ++i) {
      for (;;) {
        const std::string old = cache.get("n").value();
        if (cache.replace("n", old, std::to_string(std::stoi(old) + 1))) break;
      }
    }
    return true;
  });
  CHECK(cache.get("n") == "200");
}

ENGINE_TEST("incr adds to integers, keeps expiry and tags, and starts where nothing is live") {
  CHECK(cache.incr("n", 5, 100, {.expire = 1h, .tags = "t"}) == 105);
  CHECK(cache.incr("n", -6) == 99);
  const Entry entry = cache.entry("n").value();
  CHECK(entry.value == "99");
  CHECK(entry.format == Format::integer);
  CHECK(entry.tags == Keys{"t"});
  CHECK(entry.expires.has_value());
  cache.set("dead", "7", {.expire = 0s});
  CHECK(cache.incr("dead") == 1);
}

ENGINE_TEST("incr of what is no integer, or past 64 bits, fails and changes nothing") {
  cache.set("text", "many");
  CHECK_THROWS_AS(cache.incr("text"), WrongType);
  CHECK(cache.get("text") == "many");
  cache.set("large", kLarge);
  CHECK_THROWS_AS(cache.incr("large"), WrongType);
  CHECK(cache.get("large") == kLarge);
  const std::string most = std::to_string(std::numeric_limits<std::int64_t>::max());
  cache.set("most", most);
  CHECK_THROWS_AS(cache.incr("most"), InvalidArgument);
  CHECK(cache.get("most") == most);
}

ENGINE_TEST("incr by several threads adds up") {
  CHECK(winners([&](int) {
          for (int i = 0; i < 50; ++i) cache.incr("n");
          return true;
        }) == 8);
  CHECK(cache.get("n") == "400");
}

ENGINE_TEST("touch gives a live value another expiry and nothing else") {
  cache.set("k", kLarge, {.expire = 1h, .tags = "t"});
  const Timestamp stored = cache.entry("k").value().stored;
  CHECK(cache.touch("k", forever));
  Entry entry = cache.entry("k").value();
  CHECK_FALSE(entry.expires);
  CHECK(entry.value == kLarge);
  CHECK(entry.tags == Keys{"t"});
  CHECK(entry.stored == stored);
  CHECK(cache.touch("k", 2h));
  CHECK(cache.entry("k").value().expires.has_value());
  CHECK(cache.touch("k", 0s));
  CHECK_FALSE(cache.contains("k"));
  CHECK_FALSE(cache.touch("k", 1h));
  CHECK_FALSE(cache.contains("k"));
  CHECK_FALSE(cache.touch("absent", 1h));
}

ENGINE_TEST("get_many answers in the order of the keys, set_many stores all or nothing") {
  cache.set_many({{"a", "1"}, {"b", "2"}, {"a", "3"}}, {.tags = "t"});
  using Values = std::vector<std::optional<std::string>>;
  CHECK(cache.get_many({"b", "absent", "a", "b"}) == Values{"2", std::nullopt, "3", "2"});
  CHECK(keys(cache, {.tags = "t"}) == Keys{"a", "b"});
  CHECK_THROWS_AS(cache.set_many({{"c", "1"}, {std::string(kMaxKeyBytes + 1, 'k'), "2"}}), InvalidArgument);
  check_keys(cache, {"a", "b"});
}

ENGINE_TEST("set_from stores bytes as they come, get_to hands them out in parts") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{40000}, kLarge.size()}) {
    CAPTURE(size);
    std::string value;
    for (std::size_t i = 0; i < size; ++i) value += static_cast<char>(i * 7 + i / 251);
    std::size_t at = 0;
    cache.set_from("k",
                   [&](std::span<std::byte> room) {
                     const std::size_t n =
                         std::min({room.size(), size - at, at % 3 == 0 ? std::size_t{1000} : room.size()});
                     std::memcpy(room.data(), value.data() + at, n);
                     at += n;
                     return n;
                   },
                   {.expire = 1h, .tags = "t"});
    CHECK((cache.get("k") == value));
    CHECK(cache.entry("k").value().tags == Keys{"t"});
    std::string got;
    CHECK(cache.get_to("k", [&](std::span<const std::byte> part) {
      got.append(reinterpret_cast<const char*>(part.data()), part.size());
    }));
    CHECK((got == value));
  }
  cache.set("dead", "v", {.expire = 0s});
  for (const char* key : {"absent", "dead"}) {
    CHECK_FALSE(cache.get_to(key, [](std::span<const std::byte>) { FAIL_CHECK("called"); }));
  }
}

ENGINE_TEST("a source that throws leaves the old value") {
  cache.set("k", "old");
  int calls = 0;
  const auto source = [&](std::span<std::byte> room) -> std::size_t {
    if (++calls == 100) throw std::runtime_error("mine");
    return room.size();
  };
  CHECK_THROWS_WITH_AS(cache.set_from("k", source), "mine", std::runtime_error);
  CHECK(cache.get("k") == "old");
  CHECK(cache.size() == 1);
}

ENGINE_TEST("while a source or a sink runs, nobody is kept waiting") {
  int calls = 0;
  cache.set_from("k", [&](std::span<std::byte> room) -> std::size_t {
    std::async(std::launch::async, [&] { cache.set("by a thread", "v"); }).get();
    cache.set("by the source", "v");
    return ++calls == 3 ? 0 : room.size();
  });
  check_keys(cache, {"k", "by a thread", "by the source"});
  for (const std::string& value : {std::string("small"), kLarge}) {
    cache.set("k", value);
    cache.get_to("k", [&](std::span<const std::byte>) {
      std::async(std::launch::async, [&] { cache.set("by a thread", "again"); }).get();
      cache.set("by the sink", "v");
      cache.erase("k");
    });
    check_keys(cache, {"by a thread", "by the source", "by the sink"});
  }
}

ENGINE_TEST("a sink sees the value as it was, even if it replaces it, in a transaction as well") {
  for (const std::string& value : {std::string(1000, 'o'), kLarge}) {
    for (const bool inside : {false, true}) {
      CAPTURE(inside);
      cache.set("k", value);
      std::string got;
      const auto read = [&] {
        CHECK(cache.get_to("k", [&](std::span<const std::byte> part) {
          cache.set("k", std::string(1000, 'n'));
          cache.set("{k}other", std::string(1000, 'm'));
          CHECK(cache.get("{k}other") == std::string(1000, 'm'));
          got.append(reinterpret_cast<const char*>(part.data()), part.size());
        }));
      };
      inside ? cache.transact([&](Transaction&) { read(); }) : read();
      CHECK((got == value));
      CHECK(cache.get("k") == std::string(1000, 'n'));
    }
  }
}

ENGINE_TEST("update does in one step what its function wants") {
  Store& store = this->store();
  const auto no_tags = std::span<const std::string>();
  store.update("k", [&](const Entry* old) -> Change {
    CHECK(old == nullptr);
    return {.kind = Change::Kind::put, .value = {.bytes = "1", .tags = no_tags}};
  });
  store.update("k", [&](const Entry* old) -> Change {
    CHECK(old->value == "1");
    CHECK(old->size == 1);
    return {};
  });
  CHECK(cache.get("k") == "1");
  CHECK_THROWS_AS(store.update("k", [](const Entry*) -> Change { throw std::runtime_error("mine"); }),
                  std::runtime_error);
  CHECK(cache.get("k") == "1");
  store.update("k", [&](const Entry*) -> Change { return {.kind = Change::Kind::erase, .value = {}}; });
  CHECK_FALSE(cache.contains("k"));
  cache.set("dead", "v", {.expire = 0s});
  for (const auto kind : {Change::Kind::retime, Change::Kind::erase, Change::Kind::keep}) {
    for (const char* key : {"dead", "absent"}) {
      store.update(key, [&](const Entry* old) -> Change {
        CHECK(old == nullptr);
        return {.kind = kind, .value = {}};
      });
      CHECK_FALSE(cache.contains(key));
    }
  }
}

ENGINE_TEST("values outlive the cache object where the engine keeps them") {
  cache.set("k", "v", {.expire = 1h, .tags = {"a", "b"}});
  cache.set("large", kLarge);
  const Entry before = cache.entry("k").value();
  reopen();
  const Entry after = cache.entry("k").value();
  CHECK(after.value == before.value);
  CHECK(after.tags == before.tags);
  CHECK(after.expires == before.expires);
  CHECK(after.stored == before.stored);
  CHECK(cache.get("large") == kLarge);
}

ENGINE_TEST("two caches share nothing unless they are one directory") {
  const Subject other = another();
  cache.set("k", "v");
  CHECK_FALSE(other.cache.contains("k"));
  CHECK(other.store().session() != store().session());
}
