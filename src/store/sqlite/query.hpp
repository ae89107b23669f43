// SPDX-License-Identifier: Apache-2.0
//
// A statement that is needed so seldom that it is prepared for one use.
#pragma once

#include <sqlite3.h>

#include <memory>

#include "store/sqlite/connection.hpp"
#include "store/sqlite/statement.hpp"

namespace dcache::store::sqlite {

class Query {
 public:
  /// `doing` is what errors call it.
  Query(Connection& connection, const char* sql, const char* doing)
      : connection_(connection), doing_(doing), owned_(nullptr, &sqlite3_finalize), rows_(prepare(sql)) {}

  bool next() { return connection_.step(rows_, doing_); }
  Statement* operator->() noexcept { return &rows_; }

 private:
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v2(connection_.handle(), sql, -1, &raw, nullptr);
    owned_.reset(raw);
    if (code != SQLITE_OK) connection_.fail(code, doing_);
    return raw;
  }

  Connection& connection_;
  const char* doing_;
  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> owned_;
  Statement rows_;
};

}  // namespace dcache::store::sqlite
