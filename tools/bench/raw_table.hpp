// SPDX-License-Identifier: Apache-2.0
//
// The yardstick: a two-column table without rowid, WAL, synchronous=NORMAL, and SQLite's own defaults
// besides.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "raw.hpp"

namespace bench::raw {

/// Each call is one prepared statement, committed by itself unless between `begin` and `commit`.
class Table {
 public:
  /// Opens or makes it.
  explicit Table(const std::filesystem::path& directory) : file_(directory / "raw.db") {}

  [[nodiscard]] const Database& database() const noexcept { return file_.database; }

  std::optional<std::string> get(std::string_view key) {
    std::optional<std::string> found;
    if (get_.bind(1, key).step()) found.emplace(get_.bytes(0));
    get_.reset();
    return found;
  }
  void set(std::string_view key, std::string_view value) { set_.bind(1, key).bind(2, value).run(); }
  /// Whether there was none.
  bool add(std::string_view key, std::string_view value) {
    add_.bind(1, key).bind(2, value).run();
    return database().changed();
  }
  /// Whether there was one.
  bool erase(std::string_view key) {
    erase_.bind(1, key).run();
    return database().changed();
  }
  void begin() { begin_.run(); }
  void commit() { commit_.run(); }

 private:
  /// The database as it must be before the first statement is prepared.
  struct File {
    explicit File(const std::filesystem::path& path) : database(path) {
      constexpr int kBusyMs = 60'000;
      sqlite3_busy_timeout(database.handle(), kBusyMs);
      // Debian's SQLite zeroes what it frees unless told otherwise.
      database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF");
      database.run("CREATE TABLE IF NOT EXISTS entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
    }
    Database database;
  };

  [[nodiscard]] Statement prepared(const char* sql) const { return {database(), sql}; }

  File file_;
  Statement get_ = prepared("SELECT value FROM entries WHERE key = ?1");
  Statement set_ =
      prepared("INSERT INTO entries VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
  Statement add_ = prepared("INSERT INTO entries VALUES(?1, ?2) ON CONFLICT DO NOTHING");
  Statement erase_ = prepared("DELETE FROM entries WHERE key = ?1");
  Statement begin_ = prepared("BEGIN IMMEDIATE");
  Statement commit_ = prepared("COMMIT");
};

}  // namespace bench::raw
