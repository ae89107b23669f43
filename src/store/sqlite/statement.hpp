// SPDX-License-Identifier: Apache-2.0
//
// One use of a prepared statement. Its destructor resets the statement, so a reset cannot be forgotten and no
// read lock stays behind. (The idea is nix's SQLiteStmt::Use.)
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace dcache::store::sqlite {

class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) noexcept : statement_(statement) {}
  Statement(Statement&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)), failed_(other.failed_) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement() { sqlite3_reset(statement_); }

  // Bound text is not copied: it must live until the step.
  Statement& bind(int at, std::int64_t number) noexcept {
    failed_ |= sqlite3_bind_int64(statement_, at, number);
    return *this;
  }
  Statement& bind(int at, std::string_view bytes) noexcept {
    // A null pointer would bind NULL, which is something else than no bytes.
    const char* data = bytes.data() != nullptr ? bytes.data() : "";
    failed_ |= sqlite3_bind_blob64(statement_, at, data, bytes.size(), SQLITE_STATIC);
    return *this;
  }
  Statement& bind_text(int at, std::string_view text) noexcept {
    failed_ |= sqlite3_bind_text64(statement_, at, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
    return *this;
  }
  Statement& bind_null(int at) noexcept {
    failed_ |= sqlite3_bind_null(statement_, at);
    return *this;
  }

  /// SQLite's code for one step: SQLITE_ROW, SQLITE_DONE or a failure.
  int step() noexcept { return failed_ != SQLITE_OK ? failed_ : sqlite3_step(statement_); }
  void reset() noexcept { sqlite3_reset(statement_); }

  [[nodiscard]] std::int64_t number(int column) const noexcept {
    return sqlite3_column_int64(statement_, column);
  }
  [[nodiscard]] bool is_null(int column) const noexcept { return type(column) == SQLITE_NULL; }
  /// SQLITE_BLOB and so on; not after the column was read as something else.
  [[nodiscard]] int type(int column) const noexcept { return sqlite3_column_type(statement_, column); }
  /// Valid until the next step or reset.
  [[nodiscard]] std::string_view bytes(int column) const noexcept {
    const void* data = sqlite3_column_blob(statement_, column);
    return {static_cast<const char*>(data),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3_stmt* statement_;
  int failed_ = SQLITE_OK;
};

}  // namespace dcache::store::sqlite
