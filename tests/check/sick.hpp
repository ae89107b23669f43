// SPDX-License-Identifier: Apache-2.0
//
// A cache to be damaged on purpose while it is closed, and what a check finds in it.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "dcache/store.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/files.hpp"

namespace dcache::test {

using Kind = Problem::Kind;

/// "small7" and "large2" are keys of values in rows and in files. Half of the former have tags or an expiry.
inline constexpr int kSmall = 60;
inline constexpr int kLarge = 6;

inline std::string value_of(const std::string& key) {
  std::string value = "value of " + key + ": ";
  const std::size_t size = key.starts_with("large") ? 40'000 : 150;
  while (value.size() < size) value += key + static_cast<char>('a' + value.size() % 26);
  return value;
}

class Sick {
 public:
  Sick() {
    Cache cache(path());
    for (int i = 0; i < kSmall; ++i) {
      SetOptions options;
      if (i % 2 == 0) options.tags = {"even", "tag" + std::to_string(i % 5)};
      if (i % 3 == 0) options.expire = 24h;
      store(cache, "small" + std::to_string(i), options);
    }
    for (int i = 0; i < kLarge; ++i) store(cache, "large" + std::to_string(i), {.tags = "large"});
    cache.state()->store().add_record(
        Space::locks, "lock", [](std::uint64_t) { return std::string("a record"); }, kNoDeadline);
  }

  [[nodiscard]] std::filesystem::path path() const { return dir_ / "cache"; }
  [[nodiscard]] std::filesystem::path database() const { return path() / "cache.db"; }

  /// Changes the closed database by SQL. `key('x')` stands for the key x as it is stored.
  void sql(std::string text) const { Database(database()).run(expand(std::move(text))); }
  [[nodiscard]] std::string answer(std::string text) const {
    return Database(database()).text(expand(std::move(text)));
  }

  /// The same while the table `entries` has no indexes and takes values of any type.
  void sql_behind_indexes(const std::string& text) const {
    {
      Database database(this->database());
      database.run("PRAGMA writable_schema=ON");
      database.run("CREATE TABLE kept(number INTEGER, type, name, tbl_name, rootpage, sql)");
      database.run("INSERT INTO kept SELECT rowid, * FROM sqlite_schema WHERE tbl_name = 'entries'");
      database.run("DELETE FROM sqlite_schema WHERE tbl_name = 'entries' AND type = 'index'");
      database.run(
          "UPDATE sqlite_schema SET sql = replace(replace(sql, ' UNIQUE', ''), ' STRICT', '') "
          "WHERE name = 'entries'");
    }
    sql(text);
    Database database(this->database());
    database.run("PRAGMA writable_schema=ON");
    database.run("DELETE FROM sqlite_schema WHERE tbl_name = 'entries'");
    database.run("INSERT INTO sqlite_schema(rowid, type, name, tbl_name, rootpage, sql) SELECT * FROM kept");
    database.run("DROP TABLE kept");
  }

  /// The file of a value.
  [[nodiscard]] std::filesystem::path file_of(const std::string& key) const {
    const std::string hex =
        answer("SELECT lower(hex(substr(file, 1, 16))) FROM entries WHERE key = key('" + key + "')");
    return path() / "values" / hex.substr(0, 2) / hex.substr(2, 2) / hex.substr(4);
  }

  [[nodiscard]] CheckReport check(bool fix) const {
    Cache cache(path());
    return cache.check({.fix = fix});
  }

  /// The problems that a check finds, twice without mending anything, then mended; then a check is clean.
  std::vector<Problem> found_and_mended() const {
    const std::string before = answer("SELECT group_concat(hex(key) || sum) FROM entries");
    const std::size_t files = count_files();
    const CheckReport first = check(false);
    const CheckReport second = check(false);
    CHECK(texts(first) == texts(second));
    for (const Problem& problem : first.problems) CHECK_FALSE(problem.fixed);
    CHECK(answer("SELECT group_concat(hex(key) || sum) FROM entries") == before);
    CHECK(count_files() == files);
    CHECK_FALSE(std::filesystem::exists(path() / "damaged"));

    const CheckReport mended = check(true);
    for (const Problem& problem : mended.problems) {
      CAPTURE(problem.text);
      CHECK(problem.fixed);
    }
    CHECK(texts(check(false)) == std::vector<std::string>{});
    CHECK(integrity(path()) == "ok");
    return first.problems;
  }

  /// Whether all values but those of these keys are as they were stored; and those are misses.
  void check_others(const std::vector<std::string>& gone = {}) const {
    const Cache cache(path());
    for (const std::string& key : keys()) {
      CAPTURE(key);
      const bool is_gone = std::find(gone.begin(), gone.end(), key) != gone.end();
      CHECK(cache.get(key) == (is_gone ? std::nullopt : std::optional(value_of(key))));
    }
    CHECK(cache.size() == keys().size() - gone.size());
    CHECK(locks(cache).size() == 1);
  }

  static std::vector<std::string> keys() {
    std::vector<std::string> keys;
    for (int i = 0; i < kSmall; ++i) keys.push_back("small" + std::to_string(i));
    for (int i = 0; i < kLarge; ++i) keys.push_back("large" + std::to_string(i));
    return keys;
  }

  static std::vector<std::string> texts(const CheckReport& report) {
    std::vector<std::string> texts;
    for (const Problem& problem : report.problems) {
      texts.push_back(std::string(name(problem.kind)) + ": " + problem.text);
    }
    return texts;
  }

  [[nodiscard]] std::size_t count_files() const {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(path() / "values")) {
      if (!file.is_directory()) ++count;
    }
    return count;
  }

 private:
  static void store(Cache& cache, const std::string& key, const SetOptions& options) {
    cache.set(key, value_of(key), options);
  }

  /// key('x') is CAST('x' AS BLOB).
  static std::string expand(std::string text) {
    for (std::size_t at = 0; (at = text.find("key('", at)) != std::string::npos;) {
      const std::size_t end = text.find("')", at);
      const std::string key = text.substr(at + 5, end - at - 5);
      text.replace(at, end + 2 - at, "CAST('" + key + "' AS BLOB)");
    }
    return text;
  }

  TempDir dir_;
};

}  // namespace dcache::test
