// SPDX-License-Identifier: Apache-2.0
//
// SQLite's C interface with just enough around it to be used without mistakes: the yardstick must be fast.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bench::raw {

class Database {
 public:
  explicit Database(const std::filesystem::path& path, bool create = true) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    check(sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr));
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { sqlite3_close_v2(handle_); }

  void run(const std::string& sql) { check(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr)); }

  void check(int code) const {
    if (code != SQLITE_OK) throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(handle_));
  }
  [[nodiscard]] sqlite3* handle() const noexcept { return handle_; }
  /// Rows that the newest statement changed.
  [[nodiscard]] bool changed() const noexcept { return sqlite3_changes(handle_) > 0; }

 private:
  sqlite3* handle_ = nullptr;
};

class Statement {
 public:
  Statement(const Database& database, const std::string& sql) : database_(database) {
    database.check(sqlite3_prepare_v3(database.handle(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT,
                                      &statement_, nullptr));
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  Statement& bind(int at, std::string_view bytes) {
    sqlite3_bind_blob(statement_, at, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
    return *this;
  }
  Statement& bind(int at, std::int64_t number) {
    sqlite3_bind_int64(statement_, at, number);
    return *this;
  }

  /// Where a named parameter is; 0 if the statement has none of that name.
  [[nodiscard]] int index(const char* name) const { return sqlite3_bind_parameter_index(statement_, name); }
  [[nodiscard]] int columns() const { return sqlite3_column_count(statement_); }

  /// Whether there is a row. Without one, or when done with it, `reset` must follow.
  bool step() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
      sqlite3_reset(statement_);
      throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(database_.handle()));
    }
    return code == SQLITE_ROW;
  }
  void reset() { sqlite3_reset(statement_); }
  /// Runs to the end.
  void run() {
    while (step()) {
    }
    reset();
  }

  [[nodiscard]] std::string_view bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_, column);
    return {static_cast<const char*>(data),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  const Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace bench::raw
