// SPDX-License-Identifier: Apache-2.0
//
// What is only a hint may be lost and may be wrong: it must cost time, never an answer.
#include "store/sqlite/row_hints.hpp"

#include <atomic>
#include <fstream>
#include <latch>
#include <vector>

#include "store/hash.hpp"
#include "support/check.hpp"
#include "support/database.hpp"

namespace {

using store::hash_of;
using store::sqlite::RowHints;

constexpr std::int64_t kLargestId = (std::int64_t{1} << 40) - 1;

std::string name(std::size_t i) { return "key " + std::to_string(i); }

/// How many of so many keys, noted one after the other, are found again.
std::size_t found_of(RowHints& hints, std::size_t keys) {
  for (std::size_t i = 0; i < keys; ++i) hints.note(hash_of(name(i)), static_cast<std::int64_t>(i));
  std::size_t found = 0;
  for (std::size_t i = 0; i < keys; ++i) {
    found += hints.find(hash_of(name(i))) == std::optional(static_cast<std::int64_t>(i)) ? 1 : 0;
  }
  return found;
}

/// Two handles that answer nothing from copies, so that each goes by its own hints.
struct Two {
  TempDir dir;
  Cache one{dir / "cache", {.memory = 0}};
  Cache other{dir / "cache", {.memory = 0}};

  [[nodiscard]] std::int64_t id_of(const std::string& key) const {
    return Database(dir / "cache" / "cache.db").number("SELECT id FROM entries WHERE key = ?1", {key});
  }
};

/// Calls of this process that read a file or anything else.
std::int64_t reads_so_far() {
  std::ifstream io("/proc/self/io");
  for (std::string name; io >> name;) {
    std::int64_t number = 0;
    io >> number;
    if (name == "syscr:") return number;
  }
  return 0;
}

}  // namespace

TEST_CASE("a hint is what was noted last, until it is forgotten") {
  RowHints hints;
  CHECK(hints.find(7) == std::nullopt);
  hints.note(7, 3);
  CHECK(hints.find(7) == 3);
  hints.note(7, kLargestId);
  CHECK(hints.find(7) == kLargestId);
  hints.forget(7);
  CHECK(hints.find(7) == std::nullopt);
  hints.note(0, 0);
  CHECK(hints.find(0) == 0);
}

TEST_CASE("an id that has no room is not noted") {
  RowHints hints;
  hints.note(7, kLargestId + 1);
  hints.note(8, -1);
  CHECK(hints.find(7) == std::nullopt);
  CHECK(hints.find(8) == std::nullopt);
}

TEST_CASE(
    "nearly all hints are found while there is room, and the memory stays as it is when there is none") {
  for (const std::size_t keys : {10U, 1000U, 200'000U}) {
    CAPTURE(keys);
    RowHints hints;
    found_of(hints, keys);  // those before there was more room are elsewhere
    CHECK(found_of(hints, keys) >= keys * 9 / 10);
  }
  RowHints hints;
  const std::size_t found = found_of(hints, 2'000'000);
  CHECK(found > 400'000);
  CHECK(found <= RowHints::kPlaces * RowHints::kMostBuckets);
}

TEST_CASE("threads may note and look up at once") {
  RowHints hints;
  std::latch start(4);
  std::atomic<int> nonsense = 0;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (std::uint64_t i = 0; i < 20'000; ++i) {
        hints.note(i % 64, static_cast<std::int64_t>(i));
        if (hints.find((i + 1) % 64).value_or(0) >= 20'000) ++nonsense;
        if (i % 3 == 0) hints.forget(i % 64);
      }
    });
  }
  threads.clear();
  CHECK(nonsense == 0);
}

TEST_CASE("a value that another has removed, or stored anew elsewhere, is not looked for in its old place") {
  Two two;
  two.one.set("a", "1");
  two.one.set("b", "2");
  REQUIRE(two.one.get("a") == "1");
  const std::int64_t before = two.id_of("a");

  two.other.erase("a");
  CHECK(two.one.get("a") == std::nullopt);
  CHECK_FALSE(two.one.contains("a"));
  two.one.set("a", "3");
  two.other.erase("a");
  two.other.set("c", "4");
  two.other.set("a", "5");
  REQUIRE(two.id_of("a") != before);
  CHECK(two.one.get("a") == "5");
  CHECK(two.one.entry("a")->value == "5");
  CHECK_FALSE(two.one.add("a", "6"));
  CHECK(two.one.contains("a"));
}

TEST_CASE("a place that has become another key's is not that of the key that was there") {
  Two two;
  const auto swap = [&] {
    two.one.clear();
    two.one.set("mine", "old");
    REQUIRE(two.one.get("mine") == "old");
    const std::int64_t id = two.id_of("mine");
    two.other.erase("mine");
    two.other.set("yours", "yours");
    REQUIRE(two.id_of("yours") == id);
  };
  swap();
  CHECK(two.one.get("mine") == std::nullopt);
  CHECK(two.one.get("yours") == "yours");
  swap();
  CHECK_FALSE(two.one.contains("mine"));
  swap();
  CHECK_FALSE(two.one.erase("mine"));
  CHECK(two.one.get("yours") == "yours");
  swap();
  two.one.set("mine", "new");
  CHECK(two.one.get("mine") == "new");
  CHECK(two.one.get("yours") == "yours");
  swap();
  CHECK(two.one.pop("mine") == std::nullopt);
  CHECK(two.one.incr("mine") == 1);
  CHECK(two.one.get("yours") == "yours");
}

TEST_CASE("what has come to have tags or a file is overwritten and removed with them") {
  Two two;
  const std::string large(100'000, 'x');
  const auto prepare = [&] {
    two.one.clear();
    for (const char* key : {"tagged", "large"}) {
      two.one.set(key, "plain");
      REQUIRE(two.one.get(key) == "plain");
    }
    two.other.set("tagged", "tagged", {.tags = "t"});
    two.other.set("large", large);
  };
  prepare();
  for (const char* key : {"tagged", "large"}) {
    two.one.set(key, "plain again");
    CHECK(two.one.get(key) == "plain again");
  }
  CHECK(two.one.evict("t") == 0);
  prepare();
  for (const char* key : {"tagged", "large"}) CHECK(two.one.erase(key));
  CHECK(two.one.evict("t") == 0);
  CHECK(two.one.check().problems.empty());
}

TEST_CASE("a value that has expired is overwritten, and neither read nor removed, where it was") {
  Two two;
  const auto prepare = [&] {
    two.one.set("k", "1");
    REQUIRE(two.one.get("k") == "1");
    two.other.set("k", "2", {.expire = 1ms});
    std::this_thread::sleep_for(5ms);
  };
  prepare();
  CHECK(two.one.get("k") == std::nullopt);
  CHECK_FALSE(two.one.erase("k"));
  prepare();
  CHECK(two.one.add("k", "3"));
  CHECK(two.one.get("k") == "3");
  prepare();
  two.one.set("k", "4");
  CHECK(two.one.get("k") == "4");
}

TEST_CASE("what a transaction stored and took back is not there") {
  Two two;
  try {
    two.one.transact([&](Transaction&) {
      two.one.set("k", "never");
      CHECK(two.one.get("k") == "never");
      throw std::runtime_error("take it back");
    });
  } catch (const std::runtime_error&) {
  }
  two.other.set("l", "of another");
  REQUIRE(two.id_of("l") == 1);  // as "k" had
  CHECK(two.one.get("k") == std::nullopt);
  two.one.set("k", "now");
  CHECK(two.other.get("k") == "now");
  CHECK(two.one.get("l") == "of another");
}

TEST_CASE("who was told where a row is reads less to find it") {
  const TempDir dir;
  constexpr std::size_t kKeys = 5000;
  // No room for the tree of keys in the page cache.
  const Options options{.page_cache = 64 << 10, .memory = 0};
  {
    Cache cache(dir / "cache", options);
    cache.transact([&](Transaction&) {
      for (std::size_t i = 0; i < kKeys; ++i) cache.set(name(i), std::string(500, 'v'));
    });
  }
  Cache cache(dir / "cache", options);
  const auto reads = [&] {
    const std::int64_t before = reads_so_far();
    for (std::size_t i = 0; i < kKeys; ++i) static_cast<void>(cache.get(name(i * 1237 % kKeys)));
    return reads_so_far() - before;
  };
  if (reads_so_far() == 0) return;  // the kernel does not count them
  const std::int64_t searching = reads();
  const std::int64_t knowing = reads();
  CAPTURE(searching);
  CHECK(knowing * 4 < searching * 3);
}
