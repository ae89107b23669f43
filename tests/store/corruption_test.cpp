// SPDX-License-Identifier: Apache-2.0
//
// Damage at rest: never wrong bytes, always an error that names the key or a value that is right, and a way
// to mend it.
#include <random>

#include "support/check.hpp"
#include "support/database.hpp"
#include "support/files.hpp"

namespace fs = std::filesystem;

namespace {

const std::string kPattern = "a pattern that is nowhere else";

/// A closed cache whose log is empty, so that all of it is in cache.db.
void make_one_entry_cache(const fs::path& path, const SetOptions& options = {}) {
  {
    Cache cache(path);
    cache.set("before", "b", {.tags = "t"});
    cache.set("k", kPattern, options);
    cache.set("after", "a");
  }
  Database(path / "cache.db").run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Changes the row of key "k" behind the library's back.
void change(const fs::path& path, const std::string& assignment) {
  Database(path / "cache.db").run("UPDATE entries SET " + assignment + " WHERE key = CAST('k' AS BLOB)");
}

/// Every read of "k" is Corrupt, its neighbours are well, and `set` mends it.
void check_corrupt_and_mend(const fs::path& path) {
  Cache cache(path);
  const std::string text = thrown<Corrupt>([&] { static_cast<void>(cache.get("k")); });
  CHECK(has(text, "'k'"));
  CHECK(has(text, path.native()));
  CHECK_THROWS_AS(static_cast<void>(cache.entry("k")), Corrupt);
  CHECK_THROWS_AS(cache.touch("k", 1h), Corrupt);
  CHECK_THROWS_AS(cache.incr("k"), Corrupt);
  CHECK_THROWS_AS(
      [&] {
        for (const Entry& entry : cache.entries({.prefix = "k"})) static_cast<void>(entry);
      }(),
      Corrupt);
  CHECK(cache.get("before") == "b");
  CHECK(cache.get("after") == "a");
  cache.set("k", "mended", {.tags = "new"});
  CHECK(cache.get("k") == "mended");
  CHECK(cache.evict("new") == 1);
}

}  // namespace

TEST_CASE("a bit that flips in a stored value is Corrupt, and set mends it") {
  const TempDir dir;
  for (const int bit : {0, 3, 7}) {
    const fs::path path = dir / std::to_string(bit);
    make_one_entry_cache(path);
    std::string bytes = read_file(path / "cache.db");
    const std::size_t at = bytes.find(kPattern);
    REQUIRE(at != std::string::npos);
    REQUIRE(bytes.find(kPattern, at + 1) == std::string::npos);
    bytes[at + 11] = static_cast<char>(bytes[at + 11] ^ (1 << bit));
    write_file(path / "cache.db", bytes);
    check_corrupt_and_mend(path);
    CHECK(integrity(path) == "ok");
  }
}

TEST_CASE("erase mends a damaged value as well") {
  const TempDir dir;
  make_one_entry_cache(dir / "cache", {.tags = "t"});
  change(dir / "cache", "value = CAST(value || x'00' AS BLOB)");
  Cache cache(dir / "cache");
  CHECK_THROWS_AS(static_cast<void>(cache.get("k")), Corrupt);
  CHECK(cache.erase("k"));
  CHECK(cache.get("k") == std::nullopt);
  CHECK(cache.evict("t") == 1);
}

TEST_CASE("whatever changes in a row is Corrupt: value, time of storing, expiry, format, tags, sum") {
  const TempDir dir;
  int number = 0;
  for (const char* assignment :
       {"value = x''", "value = CAST(substr(value, 2) AS BLOB)", "value = CAST(value || x'20' AS BLOB)",
        "stored = stored + 1", "stored = stored - (1 << 40)", "expires = expires + 1",
        "expires = expires + (1 << 50)", "expires = NULL", "format = 0", "format = 3", "format = 77",
        "tags = NULL", "tags = x'010078'", "tags = x'0500'", "tags = x'ff'",
        "tags = CAST(tags || x'010078' AS BLOB)", "sum = sum + 1", "sum = ~sum", "sum = 0"}) {
    CAPTURE(std::string(assignment));
    const fs::path path = dir / std::to_string(number++);
    make_one_entry_cache(path, {.expire = 1h, .tags = {"one", "two"}});
    change(path, assignment);
    check_corrupt_and_mend(path);
  }
}

TEST_CASE("an expiry that is damaged into the past is a miss, and one that appears from nowhere is Corrupt") {
  const TempDir dir;
  make_one_entry_cache(dir / "past", {.expire = 1h});
  change(dir / "past", "expires = 5");
  CHECK(Cache(dir / "past").get("k") == std::nullopt);
  make_one_entry_cache(dir / "future");
  change(dir / "future", "expires = stored + (1 << 50)");
  check_corrupt_and_mend(dir / "future");
}

TEST_CASE("a row that answers for another key is Corrupt") {
  const TempDir dir;
  make_one_entry_cache(dir / "cache");
  Database(dir / "cache" / "cache.db")
      .run(
          "DELETE FROM entries WHERE key = CAST('before' AS BLOB); UPDATE entries SET key = CAST('before' AS "
          "BLOB) "
          "WHERE key = CAST('k' AS BLOB)");
  Cache cache(dir / "cache");
  CHECK_THROWS_AS(static_cast<void>(cache.get("before")), Corrupt);
  CHECK(cache.get("k") == std::nullopt);
}

TEST_CASE("tags that lead nowhere are passed over") {
  const TempDir dir;
  make_one_entry_cache(dir / "cache");
  Database(dir / "cache" / "cache.db")
      .run("INSERT INTO tags VALUES(CAST('t' AS BLOB), 999), (CAST('u' AS BLOB), 1)");
  Cache cache(dir / "cache");
  int seen = 0;
  for (const Entry& entry : cache.entries({.tags = {"t", "u"}, .match = Match::any})) {
    CHECK(entry.key == "before");
    ++seen;
  }
  CHECK(seen == 1);
  CHECK(cache.evict("t") == 1);
  CHECK(cache.size() == 2);
}

TEST_CASE("of a database with any bit flipped no call ever answers with wrong bytes") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const TempDir dir;
  const auto value_of = [](int i) {
    return "value " + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 7, 'v');
  };
  constexpr int kValues = 60;
  {
    Cache cache(dir / "whole");
    for (int i = 0; i < kValues; ++i)
      cache.set("key" + std::to_string(i), value_of(i), {.expire = 1h, .tags = "t"});
  }
  Database(dir / "whole" / "cache.db").run("PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string whole = read_file(dir / "whole" / "cache.db");
  int right = 0;
  int wrong = 0;
  for (int mutant = 0; mutant < rounds(200); ++mutant) {
    const fs::path path = dir / "mutant";
    fs::remove_all(path);
    fs::create_directory(path);
    std::string bytes = whole;
    const std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
    CAPTURE(at);
    write_file(path / "cache.db", bytes);
    try {
      const Cache cache(path, {.timeout = 2s});
      for (int i = 0; i < kValues; ++i) {
        try {
          const auto value = cache.get("key" + std::to_string(i));
          if (value && *value != value_of(i)) ++wrong;
          if (value) ++right;
        } catch (const Error&) {
        }
      }
      for (const Entry& entry : cache.entries()) {
        const int i = std::stoi("0" + entry.key.substr(std::min<std::size_t>(3, entry.key.size())));
        if (entry.value != value_of(i)) ++wrong;
      }
    } catch (const Error&) {
    }
  }
  CHECK(wrong == 0);
  CHECK(right > 0);
}
