// SPDX-License-Identifier: Apache-2.0
#include <iterator>
#include <random>
#include <set>
#include <vector>

#include "support/check.hpp"

namespace {

std::vector<std::string> keys(const Entries& entries) {
  std::vector<std::string> found;
  for (const Entry& entry : entries) found.push_back(entry.key);
  return found;
}

using Keys = std::vector<std::string>;

void store_many(Cache& cache, int count, const std::string& prefix = "k", const Tags& tags = {}) {
  cache.transact([&](Transaction& transaction) {
    for (int i = 0; i < count; ++i)
      transaction.set(prefix + std::to_string(i), std::to_string(i), {.tags = tags});
  });
}

static_assert(std::input_iterator<Entries::Iterator>);
static_assert(std::sentinel_for<std::default_sentinel_t, Entries::Iterator>);

}  // namespace

TEST_CASE_FIXTURE(OneCache, "an empty cache has no entries") {
  CHECK(keys(cache.entries()).empty());
  CHECK(keys(cache.entries({.prefix = "x", .tags = "t"})).empty());
}

TEST_CASE_FIXTURE(OneCache, "entries come in order of insertion, and an overwritten one keeps its place") {
  cache.set("c", "1");
  cache.set("a", "2", {.tags = "t"});
  cache.set("b", "3");
  cache.set("a", "4");
  cache.set("c", "5", {.tags = "t"});
  CHECK(keys(cache.entries()) == Keys{"c", "a", "b"});
  cache.erase("c");
  cache.set("c", "6");
  CHECK(keys(cache.entries()) == Keys{"a", "b", "c"});
}

TEST_CASE_FIXTURE(OneCache, "an entry of a listing is whole") {
  cache.set("k", "value", {.expire = 1h, .tags = {"b", "a"}});
  const Entries all = cache.entries();
  const auto at = all.begin();
  const Entry single = cache.entry("k").value();
  CHECK(at->value == "value");
  CHECK(at->tags == single.tags);
  CHECK(at->expires == single.expires);
  CHECK(at->stored == single.stored);
  CHECK(at->size == 5);
  CHECK((*at).format == Format::text);
}

TEST_CASE_FIXTURE(OneCache, "a listing without values has everything else") {
  cache.set("k", "value", {.tags = "t"});
  for (const EntryFilter& filter :
       {EntryFilter{.values = false}, EntryFilter{.prefix = "k", .values = false}}) {
    const Entries all = cache.entries(filter);
    const auto at = all.begin();
    CHECK(at->value.empty());
    CHECK(at->size == 5);
    CHECK(at->tags == Keys{"t"});
  }
}

TEST_CASE_FIXTURE(OneCache, "a prefix selects by bytes") {
  const std::string high = "\xFF\xFF";
  for (const std::string& key :
       {std::string("user:1"), std::string("user;"), std::string("user"), std::string("us"),
        std::string("user:%"), std::string(), high, high + "x", std::string("user:\0", 6)}) {
    cache.set(key, "v");
  }
  CHECK(keys(cache.entries({.prefix = "user:"})) == Keys{"user:1", "user:%", std::string("user:\0", 6)});
  CHECK(keys(cache.entries({.prefix = "user"})).size() == 5);
  CHECK(keys(cache.entries({.prefix = high})) == Keys{high, high + "x"});
  CHECK(keys(cache.entries({.prefix = "%"})).empty());
  CHECK(keys(cache.entries()).size() == 9);
}

TEST_CASE_FIXTURE(OneCache, "tags select any or all, also together with a prefix") {
  cache.set("a1", "v", {.tags = {"x"}});
  cache.set("a2", "v", {.tags = {"x", "y"}});
  cache.set("b1", "v", {.tags = {"y"}});
  cache.set("b2", "v", {.tags = {"x", "y", "z"}});
  cache.set("c", "v");
  CHECK(keys(cache.entries({.tags = "x"})) == Keys{"a1", "a2", "b2"});
  CHECK(keys(cache.entries({.tags = {"x", "y"}})) == Keys{"a2", "b2"});
  CHECK(keys(cache.entries({.tags = {"x", "y"}, .match = Match::any})) == Keys{"a1", "a2", "b1", "b2"});
  CHECK(keys(cache.entries({.prefix = "b", .tags = {"x", "y"}})) == Keys{"b2"});
  CHECK(keys(cache.entries({.prefix = "b", .tags = {"x", "y"}, .match = Match::any})) == Keys{"b1", "b2"});
  CHECK(keys(cache.entries({.tags = {"x", "absent"}})).empty());
  CHECK(keys(cache.entries({.tags = {"x", "absent"}, .match = Match::any})).size() == 3);
}

TEST_CASE_FIXTURE(OneCache, "a thousand entries and more come in order, whole and once, over all pages") {
  for (const int count : {99, 100, 101, 200, 1037}) {
    CAPTURE(count);
    const std::string prefix = std::to_string(count) + ":";
    store_many(cache, count, prefix, std::to_string(count));
    for (const EntryFilter& filter :
         {EntryFilter{.prefix = prefix}, EntryFilter{.tags = std::to_string(count)}}) {
      int at = 0;
      for (const Entry& entry : cache.entries(filter)) {
        if (entry.key != prefix + std::to_string(at) || entry.value != std::to_string(at)) FAIL(entry.key);
        ++at;
      }
      CHECK(at == count);
    }
    CHECK(cache.evict(std::to_string(count)) == static_cast<std::uint64_t>(count));
    store_many(cache, count);
    CHECK(std::ranges::distance(keys(cache.entries())) == count);
    CHECK(cache.clear() == static_cast<std::uint64_t>(count));
  }
}

TEST_CASE_FIXTURE(OneCache, "expired entries are passed over, even where they fill whole pages") {
  cache.set("first", "v");
  cache.transact([](Transaction& transaction) {
    for (int i = 0; i < 450; ++i)
      transaction.set("dead" + std::to_string(i), "v", {.expire = 0s, .tags = "t"});
  });
  cache.set("last", "v", {.tags = "t"});
  CHECK(keys(cache.entries()) == Keys{"first", "last"});
  CHECK(keys(cache.entries({.tags = "t"})) == Keys{"last"});
  CHECK(keys(cache.entries({.prefix = "dead"})).empty());
}

TEST_CASE_FIXTURE(OneCache, "each begin looks anew") {
  cache.set("a", "v");
  const Entries all = cache.entries();
  CHECK(keys(all) == Keys{"a"});
  cache.set("b", "v");
  CHECK(keys(all) == Keys{"a", "b"});
  cache.clear();
  CHECK(keys(all).empty());
  CHECK(all.begin() == all.end());
}

TEST_CASE_FIXTURE(OneCache, "the body of a walk may change what it walks over") {
  store_many(cache, 350);
  int seen = 0;
  for (const Entry& entry : cache.entries()) {
    ++seen;
    CHECK(cache.erase(entry.key));
  }
  CHECK(seen == 350);
  CHECK(cache.size() == 0);
}

TEST_CASE_FIXTURE(OneCache, "a walk holds no read transaction open, so the log can be reused meanwhile") {
  store_many(cache, 500);
  const Entries all = cache.entries();
  auto at = all.begin();
  for (int i = 0; i < 6000; ++i) cache.set("busy", std::string(2000, 'v'));
  CHECK(cache.stats().wal_bytes < 16U << 20);
  int seen = 0;
  for (; at != all.end(); ++at) ++seen;
  CHECK(seen >= 500);
}

TEST_CASE_FIXTURE(OneCache,
                  "while others store and remove, a walk shows nothing twice and misses nothing that stays") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  store_many(cache, 600, "stays", "t");
  store_many(cache, 600, "goes", "t");
  for (const EntryFilter& filter :
       {EntryFilter{}, EntryFilter{.prefix = "stays"}, EntryFilter{.tags = "t"}}) {
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      std::mt19937_64 random(seed);
      for (int i = 0; !stop; ++i) {
        cache.erase("goes" + std::to_string(random() % 600));
        cache.set("new" + std::to_string(seed) + ":" + std::to_string(i), "v", {.tags = "t"});
        cache.set("stays" + std::to_string(random() % 600), "overwritten", {.tags = "t"});
        if (i % 8 == 0) std::this_thread::sleep_for(1ms);  // the walk must be able to come to its end
      }
    });
    for (int walk = 0; walk < 3; ++walk) {
      std::set<std::string> seen;
      int stayed = 0;
      for (const Entry& entry : cache.entries(filter)) {
        if (!seen.insert(entry.key).second) FAIL_CHECK("twice: " << entry.key);
        if (entry.key.starts_with("stays")) ++stayed;
        if (seen.size() % 50 == 0) std::this_thread::yield();
      }
      CHECK(stayed == 600);
    }
    stop = true;
    writer.join();
  }
}

TEST_CASE_FIXTURE(OneCache,
                  "a key that is removed and stored again behind a walk is not shown a second time") {
  store_many(cache, 250);
  std::set<std::string> seen;
  for (const Entry& entry : cache.entries()) {
    if (!seen.insert(entry.key).second) {
      FAIL_CHECK("twice: " << entry.key);
      break;
    }
    cache.erase(entry.key);
    cache.set(entry.key, "again");
  }
  CHECK(cache.size() == 250);
}
