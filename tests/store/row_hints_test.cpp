// SPDX-License-Identifier: Apache-2.0
//
// What is only a hint may be lost and may be wrong: it must cost time, never an answer.
#include "store/sqlite/row_hints.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <random>
#include <vector>

#include "store/hash.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/files.hpp"

namespace {

using store::hash_of;
using store::sqlite::RowHints;

constexpr std::int64_t kLargestId = (std::int64_t{1} << 40) - 1;
constexpr std::size_t kAskedBefore = 16;  // the file is opened
constexpr std::size_t kBucketBytes = RowHints::kPlaces * sizeof(std::uint64_t);

std::string name(std::size_t i) { return "key " + std::to_string(i); }

/// Hints of a process: those of the directory.
struct Hints : RowHints {
  explicit Hints(const fs::path& directory) : RowHints(directory) {
    for (std::size_t i = 0; i < kAskedBefore; ++i) static_cast<void>(RowHints::find(i));
  }
  std::optional<std::int64_t> find(std::uint64_t hash) { return RowHints::find(hash).id; }
  bool note(std::uint64_t hash, std::int64_t id) {
    return RowHints::note(RowHints::find(hash), id, By::writer);
  }
  void forget(std::uint64_t hash) { RowHints::forget(RowHints::find(hash)); }

  /// Notes so many keys, and makes room when it is said that it is time.
  void fill(std::size_t keys) {
    for (std::size_t i = 1; i <= keys; ++i) {
      if (note(hash_of(name(i)), static_cast<std::int64_t>(i))) make_room(i);
    }
  }
  /// How many of them are found again.
  std::size_t found_of(std::size_t keys) {
    std::size_t found = 0;
    for (std::size_t i = 1; i <= keys; ++i) {
      found += find(hash_of(name(i))) == std::optional(static_cast<std::int64_t>(i)) ? 1 : 0;
    }
    return found;
  }
};

/// One that goes by hints, and others that come for so short a time that they neither go by them nor set them
/// right. None answers from copies.
struct Two {
  TempDir dir;
  Cache one{dir / "cache", {.memory = 0}};

  Two() {
    for (std::size_t i = 0; i <= kAskedBefore; ++i) one.set("asked", "before");
    one.clear();
  }
  [[nodiscard]] Cache other() const { return Cache(dir / "cache", {.memory = 0}); }

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

TEST_CASE("a hint is what was noted last, until it is forgotten, for all processes") {
  const TempDir dir;
  Hints hints(dir.path());
  Hints others(dir.path());
  CHECK(hints.find(7) == std::nullopt);
  hints.note(7, 3);
  CHECK(hints.find(7) == 3);
  others.note(7, kLargestId);  // finds the file now
  CHECK(hints.find(7) == kLargestId);
  hints.forget(7);
  CHECK(others.find(7) == std::nullopt);
  hints.note(0, 1);
  CHECK(others.find(0) == 1);
  CHECK(mode_of(dir / "hints") == 0600);
}

TEST_CASE("who asks for a few values neither makes nor opens the file of hints") {
  const TempDir dir;
  RowHints hints(dir.path());
  for (std::size_t i = 0; i < kAskedBefore / 2; ++i)
    static_cast<void>(hints.note(hints.find(i), 1, RowHints::By::writer));
  CHECK_FALSE(fs::exists(dir / "hints"));
}

TEST_CASE("who only reads makes no file of hints, but notes in one that is there") {
  const TempDir dir;
  Hints reader(dir.path());
  static_cast<void>(reader.RowHints::note({.hash = 7, .id = {}}, 1, RowHints::By::reader));
  CHECK_FALSE(fs::exists(dir / "hints"));
  Hints writer(dir.path());
  writer.note(7, 2);
  Hints late(dir.path());
  static_cast<void>(late.RowHints::note(late.RowHints::find(7), 3, RowHints::By::reader));
  CHECK(writer.find(7) == 3);
}

TEST_CASE("who may not write large files goes by no hints: the signal for it would kill") {
  const TempDir dir;
  Hints(dir.path()).note(7, 2);
  struct rlimit old {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  struct rlimit low = old;
  low.rlim_cur = 0;
  ::setrlimit(RLIMIT_FSIZE, &low);
  Hints limited(dir.path());
  CHECK(limited.find(7) == std::nullopt);
  CHECK_FALSE(limited.note(8, 3));
  ::setrlimit(RLIMIT_FSIZE, &old);
  CHECK(Hints(dir.path()).find(7) == 2);
}

TEST_CASE("an id that has no room is not noted") {
  const TempDir dir;
  Hints hints(dir.path());
  hints.note(7, kLargestId + 1);
  hints.note(8, -1);
  hints.note(9, 0);
  for (const std::uint64_t hash : {7U, 8U, 9U}) CHECK(hints.find(hash) == std::nullopt);
  CHECK_FALSE(fs::exists(dir / "hints"));
}

TEST_CASE("nearly all hints are found in a file that has grown with them, in memory or not") {
  for (const std::size_t keys : {10U, 1000U, 50'000U, 600'000U}) {
    CAPTURE(keys);
    const TempDir dir;
    Hints hints(dir.path());
    hints.fill(keys);
    CHECK(hints.found_of(keys) >= keys * 98 / 100);
    CHECK(Hints(dir.path()).found_of(keys) == hints.found_of(keys));
    const std::uint64_t size = fs::file_size(dir / "hints");
    CHECK(size <= keys * 22 + (128 << 10));
    CHECK((keys < 600'000 || size > 2 * RowHints::kMappedBuckets * kBucketBytes));
  }
}

TEST_CASE("without more room for them the newest hints are found") {
  const TempDir dir;
  Hints hints(dir.path());
  for (std::size_t i = 1; i <= 100'000; ++i) hints.note(hash_of(name(i)), static_cast<std::int64_t>(i));
  CHECK(fs::file_size(dir / "hints") == 64 << 10);
  CHECK(hints.found_of(100'000) > 4000);
  CHECK(hints.found_of(100'000) <= (64 << 10) / sizeof(std::uint64_t));
}

TEST_CASE("who knew a smaller file finds hints in the larger one soon") {
  const TempDir dir;
  Hints late(dir.path());
  late.note(hash_of("mine"), 5);
  Hints hints(dir.path());
  hints.fill(50'000);
  for (std::size_t i = 0; i < 200; ++i) late.note(i, 1);
  CHECK(late.found_of(50'000) == hints.found_of(50'000));
  CHECK(late.found_of(50'000) > 49'000);
}

TEST_CASE("threads may note, look up and make room at once") {
  const TempDir dir;
  Hints hints(dir.path());
  std::latch start(4);
  std::atomic<int> nonsense = 0;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (std::uint64_t i = 1; i < 20'000; ++i) {
        hints.note(hash_of(name(i % 640)), static_cast<std::int64_t>(i));
        if (hints.find(hash_of(name((i + 1) % 640))).value_or(0) >= 20'000) ++nonsense;
        if (i % 3 == 0) hints.forget(hash_of(name(i % 640)));
        if (i % 100 == 0) hints.make_room(i * 3);
      }
    });
  }
  threads.clear();
  CHECK(nonsense == 0);
  CHECK(fs::file_size(dir / "hints") > 64 << 10);
}

TEST_CASE("whatever the file of hints holds or is, all values are found and nothing else") {
  const TempDir dir;
  constexpr std::size_t kKeys = 3000;
  const fs::path hints = dir / "cache" / "hints";
  const auto use = [&] {
    Cache cache(dir / "cache", {.memory = 0});
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < kKeys; ++i) {
        REQUIRE(cache.get(name(i)) == std::to_string(i));
        if (i % 7 == 0) REQUIRE_FALSE(cache.contains("not " + name(i)));
        if (i % 5 == 0) cache.set(name(i), std::to_string(i));
        if (i % 11 == 0) REQUIRE(cache.erase(name(i)));
        if (i % 11 == 0) REQUIRE(cache.add(name(i), std::to_string(i)));
      }
    }
    CHECK(cache.size() == kKeys);
    CHECK(cache.check().problems.empty());
  };
  {
    Cache cache(dir / "cache");
    for (std::size_t i = 0; i < kKeys; ++i) cache.set(name(i), std::to_string(i));
  }
  REQUIRE(fs::is_regular_file(hints));
  use();
  const std::string good = read_file(hints);

  std::string bytes(300'000, '\0');
  std::mt19937 random(7);
  for (char& byte : bytes) byte = static_cast<char>(random());
  SUBCASE("random bytes") { write_file(hints, bytes); }
  SUBCASE("every id is another's") {
    bytes = good;
    for (std::size_t i = 0; i < bytes.size(); i += 8) bytes[i] = static_cast<char>(bytes[i] + 1);
    write_file(hints, bytes);
  }
  SUBCASE("nothing") { fs::resize_file(hints, 0); }
  SUBCASE("part of a bucket") { fs::resize_file(hints, 33); }
  SUBCASE("holes, and too large") { fs::resize_file(hints, std::uintmax_t{1} << 30); }
  SUBCASE("gone") { fs::remove(hints); }
  SUBCASE("another cache's") {
    {
      Cache other(dir / "other");
      for (std::size_t i = kKeys; i-- > 0;) other.set(name(i), "other");
    }
    fs::copy_file(dir / "other" / "hints", hints, fs::copy_options::overwrite_existing);
  }
  SUBCASE("a directory") {
    fs::remove(hints);
    fs::create_directory(hints);
  }
  SUBCASE("a pipe") {
    fs::remove(hints);
    REQUIRE(::mkfifo(hints.c_str(), 0600) == 0);
  }
  SUBCASE("a link to another file, which stays as it was") {
    fs::remove(hints);
    write_file(dir / "precious", "precious");
    fs::create_symlink(dir / "precious", hints);
  }
  use();
  if (fs::exists(dir / "precious")) CHECK(read_file(dir / "precious") == "precious");
}

TEST_CASE("a value that another has removed, or stored anew elsewhere, is not looked for in its old place") {
  Two two;
  two.one.set("a", "1");
  two.one.set("b", "2");
  REQUIRE(two.one.get("a") == "1");
  const std::int64_t before = two.id_of("a");

  two.other().erase("a");
  CHECK(two.one.get("a") == std::nullopt);
  CHECK_FALSE(two.one.contains("a"));
  two.one.set("a", "3");
  two.other().erase("a");
  two.other().set("c", "4");
  two.other().set("a", "5");
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
    two.other().erase("mine");
    two.other().set("yours", "yours");
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
    two.other().set("tagged", "tagged", {.tags = "t"});
    two.other().set("large", large);
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
    two.other().set("k", "2", {.expire = 1ms});
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
  two.other().set("l", "of another");
  REQUIRE(two.id_of("l") == 1);  // as "k" had
  CHECK(two.one.get("k") == std::nullopt);
  two.one.set("k", "now");
  CHECK(two.other().get("k") == "now");
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
  const auto reads = [&] {
    Cache cache(dir / "cache", options);
    const std::int64_t before = reads_so_far();
    for (std::size_t i = 0; i < kKeys; ++i) static_cast<void>(cache.get(name(i * 1237 % kKeys)));
    return reads_so_far() - before;
  };
  if (reads_so_far() == 0) return;  // the kernel does not count them
  const std::int64_t told_by_writes = reads();
  fs::resize_file(dir / "cache" / "hints", 0);
  const std::int64_t searching = reads();
  const std::int64_t told_by_reads = reads();
  CAPTURE(searching);
  CHECK(told_by_writes * 4 < searching * 3);
  CHECK(told_by_reads * 4 < searching * 3);
}
