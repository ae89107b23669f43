// SPDX-License-Identifier: Apache-2.0
//
// SQLite without the library, for looking behind its back and for foreign databases.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dcache::test {

class Database {
 public:
  explicit Database(const std::filesystem::path& path);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// Runs SQL; SQLite's code.
  int try_run(const std::string& sql) noexcept;
  /// Runs SQL; throws std::runtime_error with SQLite's reason.
  void run(const std::string& sql);
  /// The first column of the first row; parameters are bound as blobs.
  std::string text(const std::string& sql, const std::vector<std::string>& blobs = {});
  std::int64_t number(const std::string& sql, const std::vector<std::string>& blobs = {});
  [[nodiscard]] sqlite3* handle() const noexcept { return database_; }

 private:
  sqlite3* database_ = nullptr;
};

/// "ok", or what `PRAGMA integrity_check` finds wrong with the database of the cache in `directory`.
std::string integrity(const std::filesystem::path& directory);

/// The name that a cache was given when it was made.
std::string uuid_of(const std::filesystem::path& directory);

}  // namespace dcache::test
