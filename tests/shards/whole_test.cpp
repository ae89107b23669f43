// SPDX-License-Identifier: Apache-2.0
//
// Calls about all values of a cache of several shards.
#include <map>
#include <set>

#include "shards/sharded.hpp"

namespace {

void limit(Cache& cache, std::uint64_t bytes) {
  cache.configure([&](Settings& settings) { settings.size_limit = bytes; });
}

/// The shard of a sharded store by its number.
Store& shard_of(Store& whole, const Cache& cache, std::size_t number) {
  return whole.home_of(key_in(cache, number));
}

}  // namespace

TEST_CASE_FIXTURE(FourShards, "keys are spread over all shards, and each is in its own") {
  for (int i = 0; i < 400; ++i) cache.set("k" + std::to_string(i), "v");
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kShards; ++i) {
    const std::uint64_t number = shard_of(store(), cache, i).size();
    CHECK(number >= 60);
    CHECK(number <= 140);
    sum += number;
  }
  CHECK(sum == 400);
  CHECK(cache.size() == 400);
}

TEST_CASE_FIXTURE(FourShards,
                  "set_many is whole in each shard: those after the one that fails have nothing") {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kShards; ++i) {
    names.push_back(key_in(cache, i, "a"));
    names.push_back(key_in(cache, i, "b"));
  }
  std::vector<std::pair<ByteView, ByteView>> items;
  for (auto name = names.rbegin(); name != names.rend(); ++name) items.emplace_back(*name, *name);
  cache.set_many(items);
  for (const std::string& name : names) CHECK(cache.get(name) == name);
  CHECK(cache.size() == 8);

  cache.clear();
  limit(cache, 4 << 20);
  const std::string large(2 << 20, 'l');
  items = {{names[0], "v"}, {names[1], "v"}, {names[4], "v"}, {names[5], large}, {names[6], "v"}};
  CHECK_THROWS_AS(cache.set_many(items), Full);
  CHECK(cache.get(names[0]) == "v");
  CHECK(cache.get(names[1]) == "v");
  CHECK_FALSE(cache.contains(names[4]));
  CHECK_FALSE(cache.contains(names[5]));
  CHECK_FALSE(cache.contains(names[6]));
  // What makes no sense is refused before the first is stored.
  cache.clear();
  const std::string too_long(5000, 'k');
  items = {{names[0], "v"}, {too_long, "v"}};
  CHECK_THROWS_AS(cache.set_many(items), InvalidArgument);
  CHECK(cache.size() == 0);
  CHECK_THROWS_AS(cache.transact([&](Transaction&) {
    cache.set_many({{names[0], "v"}, {names[2], "v"}});
  }),
                  Unsupported);
  CHECK(cache.size() == 0);
}

TEST_CASE_FIXTURE(FourShards,
                  "the size limit holds for all shards together, and each keeps what is newest in it") {
  constexpr std::uint64_t kLimit = 1 << 20;
  limit(cache, kLimit);
  Cache other(path());
  CHECK(other.settings().size_limit == kLimit);
  for (int i = 0; i < 400; ++i) {
    // Of both objects' writers, who each know the limit only from the disk.
    (i % 2 == 0 ? cache : other).set("k" + std::to_string(i), std::string(10'000, 'v'));
    CHECK(cache.bytes() <= kLimit);
    CHECK(cache.contains("k" + std::to_string(i)));
  }
  CHECK(cache.size() >= 40);
  const std::string part(kLimit / 4, 'x');
  CHECK(has(thrown<Full>([&] { cache.set("large", part); }), std::to_string(kLimit / 4)));
  limit(cache, kLimit / 2);
  CHECK(cache.cull() > 0);
  CHECK(cache.bytes() <= kLimit / 2);
  limit(cache, 0);
  cache.set("large", part);
  CHECK(cache.contains("large"));
}

TEST_CASE_FIXTURE(FourShards, "what was stored after clear or evict had begun stays, in whatever shard") {
  for (const bool clear : {true, false}) {
    CAPTURE(clear);
    for (int i = 0; i < 2000; ++i) cache.set("k" + std::to_string(i), "v", {.tags = "t"});
    std::set<std::string> late;
    const auto store_more = [&](std::uint64_t, std::uint64_t) {
      // Between two steps; the last shard's turn has not come yet at the first of them.
      if (!late.empty()) return;
      for (std::size_t i = 0; i < kShards; ++i) late.insert(key_in(cache, i, "late"));
      for (const std::string& key : late) cache.set(key, "v", {.tags = "t"});
    };
    CHECK((clear ? cache.clear(store_more) : cache.evict("t", Match::any, store_more)) == 2000);
    CHECK(late.size() == kShards);
    for (const std::string& key : late) CHECK(cache.contains(key));
    CHECK(cache.clear() == kShards);
  }
}

TEST_CASE_FIXTURE(FourShards, "stats count what is there once, and tell the number of shards") {
  for (int i = 0; i < 100; ++i)
    cache.set("k" + std::to_string(i), "12345", {.tags = {"all", i < 50 ? "a" : "b"}});
  for (int i = 0; i < 10; ++i) static_cast<void>(cache.get("k" + std::to_string(i)));
  static_cast<void>(cache.get("absent"));
  const Stats stats = cache.stats();
  CHECK(stats.shards == 4);
  CHECK(stats.entries == 100);
  CHECK(stats.tags == 3);
  CHECK(stats.value_bytes == 500);
  CHECK(stats.hits == 10);
  CHECK(stats.misses == 1);
  CHECK(stats.oldest == cache.entry("k0")->stored);
  CHECK(stats.newest == cache.entry("k99")->stored);
}

TEST_CASE_FIXTURE(FourShards, "a value in the wrong shard is found by a check, and brought to its place") {
  const std::string lost = key_in(cache, 1, "lost");
  const std::string both = key_in(cache, 1, "both");
  Store& wrong = shard_of(store(), cache, 3);
  wrong.put(lost, {.bytes = "v"}, Store::Put::always);
  wrong.put(both, {.bytes = "old"}, Store::Put::always);
  cache.set(both, "new");
  CHECK_FALSE(cache.contains(lost));
  CheckReport report = cache.check();
  REQUIRE(report.problems.size() == 2);
  for (const Problem& problem : report.problems) {
    CHECK(problem.kind == Problem::Kind::value);
    CHECK(has(problem.text, "shard 3: "));
    CHECK(has(problem.text, "of shard 1"));
    CHECK_FALSE(problem.fixed);
  }
  report = cache.check({.fix = true});
  REQUIRE(report.problems.size() == 2);
  CHECK(report.problems[0].fixed);
  CHECK(cache.get(lost) == "v");
  CHECK(cache.get(both) == "new");
  CHECK(cache.check().problems.empty());
  CHECK(cache.size() == 2);
}

TEST_CASE_FIXTURE(FourShards, "settings that reached some shards only are found by a check, and copied") {
  limit(cache, 8 << 20);
  // As if who changed them had been killed after the first shard.
  store().home_of(key_in(cache, 0)).change_settings([](Settings& settings) {
    settings.size_limit = 4 << 20;
  });
  CHECK(cache.settings().size_limit == 4 << 20);
  CHECK(cache.check().problems.size() == 3);
  CHECK(cache.check({.fix = true}).problems.size() >= 1);
  CHECK(cache.check().problems.empty());
  CHECK(store().home_of(key_in(cache, 2)).settings().size_limit == 4 << 20);
}

TEST_CASE_FIXTURE(FourShards, "a queue is in one shard, and so are pushes and pulls of any number of items") {
  Queue jobs(cache, "jobs");
  std::map<std::size_t, int> used;
  for (int i = 0; i < 30; ++i) ++used[store().shard_of(jobs.push(std::to_string(i)))];
  CHECK(used.size() == 1);
  CHECK(jobs.size() == 30);
  auto leased = jobs.lease();
  REQUIRE(leased);
  CHECK(leased->value() == "0");
  for (int i = 1; i < 30; ++i) CHECK(jobs.pull()->value == std::to_string(i));
  CHECK_FALSE(jobs.pull());
  CHECK(leased->ack());
  CHECK(jobs.size() == 0);
}

TEST_CASE_FIXTURE(FourShards,
                  "an index takes its items one by one, in order, whether it is spread or in one shard") {
  for (const char* name : {"spread", "{one}"}) {
    CAPTURE(std::string(name));
    Index index(cache, name);
    for (int i = 0; i < 40; ++i) index.set(std::to_string(i), "v");
    index.set("3", "again");
    CHECK(index.first()->key == "0");
    CHECK(index.popitem(Side::back)->key == "39");
    for (int i = 0; i < 20; ++i) CHECK(index.popitem(Side::front)->key == std::to_string(i));
    CHECK(index.size() == 19);
    CHECK(index.clear() == 19);
    CHECK_FALSE(index.popitem());
  }
}

TEST_CASE_FIXTURE(FourShards, "get_or_set with everything works across shards") {
  for (int i = 0; i < 20; ++i) {
    const std::string key = "k" + std::to_string(i);
    const GetOrSetOptions options{.expire = 1h, .tags = "t", .stale_ok = 1min, .beta = 1};
    CHECK(cache.get_or_set(
              key, [] { return std::string("made"); }, options) == "made");
    CHECK(cache.get("took:" + key).has_value());
  }
}
