// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <future>
#include <random>
#include <set>

#include "conformance/engines.hpp"

namespace {

Keys reversed(Keys keys) {
  std::reverse(keys.begin(), keys.end());
  return keys;
}

/// The filter in all four orders.
std::vector<EntryFilter> in_all_orders(EntryFilter filter) {
  std::vector<EntryFilter> all;
  for (const Order order : {Order::inserted, Order::key}) {
    for (const bool reverse : {false, true}) {
      filter.order = order;
      filter.reverse = reverse;
      all.push_back(filter);
    }
  }
  return all;
}

/// Checks the four orders of a listing, given the one of insertion.
void check_orders(const Cache& cache, EntryFilter filter, const Keys& inserted) {
  Keys sorted = inserted;
  std::sort(sorted.begin(), sorted.end());
  const std::vector<EntryFilter> filters = in_all_orders(std::move(filter));
  CHECK(keys(cache, filters[0]) == inserted);
  CHECK(keys(cache, filters[1]) == reversed(inserted));
  CHECK(keys(cache, filters[2]) == sorted);
  CHECK(keys(cache, filters[3]) == reversed(sorted));
}

}  // namespace

ENGINE_TEST("entries come in order of insertion or of keys, either way round") {
  check_orders(cache, {}, {});
  for (const char* key : {"c", "a", "b", "", "\xFF", "ab"}) cache.set(key, "v");
  check_orders(cache, {}, {"c", "a", "b", "", "\xFF", "ab"});
}

ENGINE_TEST("an overwritten value keeps its place, one that is removed and stored again does not") {
  for (const char* key : {"c", "a", "b", "d"}) cache.set(key, "v");
  cache.set("c", "set", {.tags = "t"});
  CHECK(cache.replace("a", "v", "replaced"));
  CHECK(cache.touch("b", 1h));
  cache.set("n", "1");
  cache.set("last", "v");
  cache.incr("n");
  cache.set_from("d", [](std::span<std::byte>) { return std::size_t{0}; });
  check_orders(cache, {}, {"c", "a", "b", "d", "n", "last"});
  CHECK(cache.erase("c"));
  CHECK(cache.pop("a") == "replaced");
  cache.set("a", "v");
  cache.set("c", "v");
  check_orders(cache, {}, {"b", "d", "n", "last", "a", "c"});
}

ENGINE_TEST("an entry of a listing is whole, but without its value where that was asked for") {
  const std::string large(100'000, 'l');
  cache.set("k", "value", {.expire = 1h, .tags = {"b", "a"}});
  cache.set("large", large, {.tags = "a"});
  for (const EntryFilter& filter : in_all_orders({.tags = "a"})) {
    for (const Entry& entry : cache.entries(filter)) {
      const Entry single = cache.entry(entry.key).value();
      CHECK((entry.value == single.value));
      CHECK(entry.tags == single.tags);
      CHECK(entry.expires == single.expires);
      CHECK(entry.stored == single.stored);
      CHECK(entry.size == single.value.size());
      CHECK(entry.format == single.format);
    }
  }
  for (const EntryFilter& filter : in_all_orders({.values = false})) {
    for (const Entry& entry : cache.entries(filter)) {
      CHECK(entry.value.empty());
      CHECK(entry.size == (entry.key == "k" ? 5 : large.size()));
      CHECK_FALSE(entry.tags.empty());
    }
  }
}

ENGINE_TEST("a prefix selects by bytes") {
  const std::string high = "\xFF\xFF";
  const std::string zero("user:\0", 6);
  for (const std::string& key :
       Keys{"user:1", "user;", "user", "us", "user:%", "", high, high + "x", zero, "\xFE\xFF"}) {
    cache.set(key, "v");
  }
  check_orders(cache, {.prefix = "user:"}, {"user:1", "user:%", zero});
  check_orders(cache, {.prefix = "user"}, {"user:1", "user;", "user", "user:%", zero});
  check_orders(cache, {.prefix = high}, {high, high + "x"});
  check_orders(cache, {.prefix = "\xFF"}, {high, high + "x"});
  check_orders(cache, {.prefix = "\xFE\xFF"}, {"\xFE\xFF"});
  check_orders(cache, {.prefix = zero}, {zero});
  check_orders(cache, {.prefix = "%"}, {});
  CHECK(keys(cache).size() == 10);
}

ENGINE_TEST("tags select any or all, also together with a prefix") {
  cache.set("b1", "v", {.tags = {"y"}});
  cache.set("a1", "v", {.tags = {"x"}});
  cache.set("c", "v");
  cache.set("a2", "v", {.tags = {"x", "y"}});
  cache.set("b2", "v", {.tags = {"x", "y", "z"}});
  check_orders(cache, {.tags = "x"}, {"a1", "a2", "b2"});
  check_orders(cache, {.tags = {"x", "y"}}, {"a2", "b2"});
  check_orders(cache, {.tags = {"x", "y"}, .match = Match::any}, {"b1", "a1", "a2", "b2"});
  check_orders(cache, {.prefix = "b", .tags = {"x", "y"}}, {"b2"});
  check_orders(cache, {.prefix = "b", .tags = {"x", "y"}, .match = Match::any}, {"b1", "b2"});
  check_orders(cache, {.tags = {"x", "absent"}}, {});
  check_orders(cache, {.tags = {"absent", "x"}, .match = Match::any}, {"a1", "a2", "b2"});
}

ENGINE_TEST("a listing of any length is whole, in every order") {
  for (const int count : {99, 100, 101, 200, 1037}) {
    CAPTURE(count);
    const std::string prefix = std::to_string(count) + ":";
    cache.set("before", "v");
    store_numbered(cache, count, prefix, {.tags = "t"});
    cache.set("after", "v");
    Keys expected;
    for (int i = 0; i < count; ++i) expected.push_back(prefix + std::to_string(i));
    check_orders(cache, {.prefix = prefix}, expected);
    check_orders(cache, {.tags = "t"}, expected);
    check_orders(cache, {.prefix = prefix, .tags = "t"}, expected);
    expected.insert(expected.begin(), "before");
    expected.emplace_back("after");
    check_orders(cache, {}, expected);
    cache.clear();
  }
}

ENGINE_TEST("expired entries are passed over, even where they fill whole pages") {
  cache.set("a", "v", {.tags = "t"});
  store_numbered(cache, 1250, "dead", {.expire = 0s, .tags = "t"});
  cache.set("z", "v", {.tags = "t"});
  check_orders(cache, {}, {"a", "z"});
  check_orders(cache, {.tags = "t"}, {"a", "z"});
  check_orders(cache, {.prefix = "dead"}, {});
}

ENGINE_TEST("each begin looks anew") {
  cache.set("a", "v");
  const Entries all = cache.entries();
  CHECK(all.begin()->key == "a");
  cache.set("a", "new");
  CHECK(all.begin()->value == "new");
  cache.clear();
  CHECK(all.begin() == all.end());
}

ENGINE_TEST("the body of a walk may remove what it walks over") {
  for (const EntryFilter& base : {EntryFilter{}, EntryFilter{.prefix = "k"}, EntryFilter{.tags = "t"}}) {
    for (const EntryFilter& filter : in_all_orders(base)) {
      store_numbered(cache, 350, "k", {.tags = "t"});
      int seen = 0;
      for (const Entry& entry : cache.entries(filter)) {
        ++seen;
        CHECK(cache.erase(entry.key));
      }
      CHECK(seen == 350);
      CHECK(cache.size() == 0);
    }
  }
}

ENGINE_TEST("the body of a walk may store again what it walks over, and comes to an end") {
  for (const EntryFilter& base : {EntryFilter{}, EntryFilter{.prefix = "k"}, EntryFilter{.tags = "t"}}) {
    for (const EntryFilter& filter : in_all_orders(base)) {
      CAPTURE(filter.reverse);
      CAPTURE(static_cast<int>(filter.order));
      store_numbered(cache, 250, "k", {.tags = "t"});
      std::set<std::string> seen;
      for (const Entry& entry : cache.entries(filter)) {
        const bool first_time = seen.insert(entry.key).second;
        CHECK(first_time);
        if (!first_time) break;
        cache.erase(entry.key);
        cache.set(entry.key, "again", {.tags = "t"});
      }
      CHECK(seen.size() == 250);
      CHECK(cache.size() == 250);
    }
  }
}

ENGINE_TEST("while others store and remove, a walk shows nothing twice and misses nothing that stays") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  store_numbered(cache, 400, "stays", {.tags = "t"});
  store_numbered(cache, 400, "goes", {.tags = "t"});
  for (const EntryFilter& base : {EntryFilter{}, EntryFilter{.prefix = "stays"}, EntryFilter{.tags = "t"}}) {
    std::atomic<bool> stop{false};
    auto writer = std::async(std::launch::async, [&] {
      std::mt19937_64 random(seed);
      for (int i = 0; !stop; ++i) {
        cache.erase("goes" + std::to_string(random() % 400));
        cache.set("goes" + std::to_string(random() % 400), "v", {.tags = "t"});
        cache.set("stays" + std::to_string(random() % 400), "overwritten", {.tags = "t"});
        if (i % 8 == 0) std::this_thread::sleep_for(1ms);
      }
    });
    for (const EntryFilter& filter : in_all_orders(base)) {
      std::set<std::string> seen;
      int stayed = 0;
      for (const Entry& entry : cache.entries(filter)) {
        // One that is removed and stored again may be met again in its new place.
        const bool stays = entry.key.starts_with("stays");
        if (!seen.insert(entry.key).second && stays) FAIL_CHECK("twice: " << entry.key);
        if (stays) ++stayed;
        if (seen.size() % 50 == 0) std::this_thread::yield();
      }
      CHECK(stayed == 400);
    }
    stop = true;
    writer.get();
  }
}

STORE_TEST("a listing inside a transaction shows what that has done, others see what was") {
  for (const char* key : {"b", "a", "c"}) cache.set(key, "old", {.tags = "t"});
  cache.transact([&](Transaction& transaction) {
    CHECK(transaction.erase("b"));
    transaction.set("a", "new", {.tags = "u"});
    transaction.set("b", "again", {.tags = "t"});
    transaction.set("d", "new", {.tags = "t"});
    check_orders(cache, {}, {"a", "c", "b", "d"});
    check_orders(cache, {.tags = "t"}, {"c", "b", "d"});
    std::async(std::launch::async, [&] {
      check_orders(cache, {}, {"b", "a", "c"});
      check_orders(cache, {.tags = "t"}, {"b", "a", "c"});
      check_orders(cache, {.tags = "u"}, {});
      check_orders(cache, {.prefix = "d"}, {});
    }).get();
  });
  check_orders(cache, {}, {"a", "c", "b", "d"});
  check_orders(cache, {.tags = "t"}, {"c", "b", "d"});
  check_orders(cache, {.tags = "u"}, {"a"});
}
