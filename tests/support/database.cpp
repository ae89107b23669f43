// SPDX-License-Identifier: Apache-2.0
#include "support/database.hpp"

#include <stdexcept>

namespace dcache::test {

namespace {

[[noreturn]] void fail(sqlite3* database, const std::string& sql) {
  throw std::runtime_error(sql + ": " + sqlite3_errmsg(database));
}

}  // namespace

Database::Database(const std::filesystem::path& path) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (sqlite3_open_v2(path.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    const std::string reason = sqlite3_errmsg(database_);
    sqlite3_close(database_);
    throw std::runtime_error(path.native() + ": " + reason);
  }
  sqlite3_busy_timeout(database_, 10000);
}

Database::~Database() { sqlite3_close(database_); }

int Database::try_run(const std::string& sql) noexcept {
  return sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
}

void Database::run(const std::string& sql) {
  if (try_run(sql) != SQLITE_OK) fail(database_, sql);
}

std::string Database::text(const std::string& sql, const std::vector<std::string>& blobs) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) fail(database_, sql);
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    sqlite3_bind_blob64(statement, static_cast<int>(i) + 1, blobs[i].data(), blobs[i].size(), SQLITE_STATIC);
  }
  std::string result;
  const int code = sqlite3_step(statement);
  if (code == SQLITE_ROW) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, 0));
    result.assign(bytes != nullptr ? bytes : "",
                  static_cast<std::size_t>(sqlite3_column_bytes(statement, 0)));
  }
  sqlite3_finalize(statement);
  if (code != SQLITE_ROW && code != SQLITE_DONE) fail(database_, sql);
  return result;
}

std::int64_t Database::number(const std::string& sql, const std::vector<std::string>& blobs) {
  const std::string digits = text(sql, blobs);
  return digits.empty() ? 0 : std::stoll(digits);
}

std::string integrity(const std::filesystem::path& directory) {
  return Database(directory / "cache.db").text("PRAGMA integrity_check");
}

std::string uuid_of(const std::filesystem::path& directory) {
  return Database(directory / "cache.db").text("SELECT value FROM meta WHERE name = 'uuid'");
}

}  // namespace dcache::test
