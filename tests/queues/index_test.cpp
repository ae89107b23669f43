// SPDX-License-Identifier: Apache-2.0
#include "dcache/index.hpp"

#include <future>
#include <set>

#include "conformance/engines.hpp"
#include "support/database.hpp"

namespace {

using Names = std::vector<std::string>;

}  // namespace

ENGINE_TEST("an index keeps its keys in the order in which they came") {
  Index index(cache, "i");
  for (const char* key : {"c", "a", "b"}) index.set(key, std::string("value of ") + key);
  index.set("c", "new");
  CHECK(index.keys() == Names{"c", "a", "b"});
  CHECK(index.get("c") == "new");
  CHECK_FALSE(index.get("d"));
  CHECK(index.contains("a"));
  CHECK(index.size() == 3);
  Names backwards;
  for (const Entry& item : index.items(Side::back)) backwards.push_back(item.key + '=' + item.value);
  CHECK(backwards == Names{"b=value of b", "a=value of a", "c=new"});
  CHECK(index.erase("a"));
  CHECK_FALSE(index.erase("a"));
  index.set("a", "again");
  CHECK(index.keys() == Names{"c", "b", "a"});
}

ENGINE_TEST("items leave an index at either end, or by key") {
  Index index(cache, "i");
  CHECK_FALSE(index.popitem());
  CHECK_FALSE(index.first());
  for (const char* key : {"a", "b", "c", ""}) index.set(key, std::string("v") + key);
  CHECK(index.first()->key == "a");
  CHECK(index.last()->key.empty());
  CHECK(index.popitem()->value == "v");
  CHECK(index.popitem(Side::front)->key == "a");
  CHECK(index.pop("c") == "vc");
  CHECK_FALSE(index.pop("c"));
  CHECK(index.keys() == Names{"b"});
}

ENGINE_TEST("setdefault stores what is missing and tells what is there") {
  Index index(cache, "i");
  CHECK(index.setdefault("k", "first", {.tags = "t"}) == "first");
  CHECK(index.setdefault("k", "second") == "first");
  CHECK(cache.evict("t") == 1);
  CHECK(index.setdefault("k", "third") == "third");
}

ENGINE_TEST("an index has its keys to itself and leaves others alone") {
  Index index(cache, "i");
  cache.set("i", "beside");
  cache.set("i0", "beside");
  Index other(cache, "i0");
  other.set("k", "other");
  index.set_many({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  CHECK(cache.get("i/b") == "2");
  CHECK(index.clear() == 3);
  CHECK(index.size() == 0);
  CHECK(other.get("k") == "other");
  CHECK(cache.size() == 3);
  CHECK_THROWS_AS(Index(cache, std::string(4096, 'n')), InvalidArgument);
  CHECK_THROWS_AS(index.set(std::string(4095, 'k'), "v"), InvalidArgument);
}

ENGINE_TEST("a large index is cleared in steps") {
  Index index(cache, "{i}");
  cache.transact([&](Transaction&) {
    for (int i = 0; i < 450; ++i) index.set(std::to_string(i), "v");
  });
  CHECK(index.clear() == 450);
  CHECK(cache.size() == 0);
}

ENGINE_TEST("of several that want a default all get the same, and of several that pop each gets another") {
  const int times = rounds(20);
  for (int round = 0; round < times; ++round) {
    const std::string key = std::to_string(round);
    const auto asks = [&](const char* name) {
      return std::async(std::launch::async, [&, name] { return Index(cache, "i").setdefault(key, name); });
    };
    auto a = asks("a");
    auto b = asks("b");
    CHECK(a.get() == b.get());
  }
  const auto pops = [&] {
    return std::async(std::launch::async, [&] {
      Names got;
      while (auto item = Index(cache, "i").popitem()) got.push_back(item->key);
      return got;
    });
  };
  auto c = pops();
  auto d = pops();
  const Names first = c.get();
  const Names second = d.get();
  std::set<std::string> both(first.begin(), first.end());
  both.insert(second.begin(), second.end());
  CHECK(first.size() + second.size() == static_cast<std::size_t>(times));
  CHECK(both.size() == static_cast<std::size_t>(times));
}

TEST_CASE("a damaged item of an index is passed over and told outside of transactions") {
  const TempDir dir;
  const auto path = dir / "cache";
  {
    Cache cache(path);
    Index index(cache, "i");
    index.set("damaged", "v");
    index.set("well", "v");
  }
  Database(path / "cache.db").run("UPDATE entries SET sum = sum + 1 WHERE key = CAST('i/damaged' AS BLOB)");
  std::optional<Cache> cache;
  Names told;
  const auto note = [&](const Error& error) {
    told.emplace_back(error.what());
    CHECK_FALSE(cache->state()->store().in_transaction());
  };
  cache.emplace(path, Options{.on_error = note});
  Index index(*cache, "i");
  CHECK(index.first()->key == "well");
  CHECK(index.popitem(Side::front)->key == "well");
  REQUIRE(told.size() == 2);
  CHECK(has(told[1], "i/damaged"));
  CHECK_FALSE(index.popitem());
}
