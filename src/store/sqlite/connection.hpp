// SPDX-License-Identifier: Apache-2.0
//
// One SQLite connection with its prepared statements. Used by one thread at a time; who that is, its owner
// sees to.
#pragma once

#include <SQLiteCpp/Database.h>
#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "store/sqlite/schema.hpp"
#include "store/sqlite/statement.hpp"

namespace dcache::store::sqlite {

class Turn;

class Connection {
 public:
  enum class Role { reader, writer, checkpointer };

  /// Opens an existing database file and sets it up; changes nothing in it. Waits for others until
  /// `deadline`.
  Connection(std::string path, Role role, const Options& options, Deadline deadline);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// A prepared statement, ready for binding.
  Statement use(Sql which);

  /// Steps until the answer is not "busy" or the deadline has passed. True for a row, false for done.
  /// Throws Timeout, Corrupt, Full and so on, naming what was being done.
  bool step(Statement& statement, const char* doing);
  /// Steps a statement that returns no row.
  void run(Statement& statement, const char* doing) { step(statement, doing); }
  /// The same, and tells `turn` whenever the lock was asked for in vain.
  void run(Statement& statement, const char* doing, Turn& turn);

  /// Until when the calls that follow may wait for others.
  void set_deadline(Deadline deadline) noexcept { deadline_ = deadline; }

  /// Runs SQL without results, for schema and pragmas.
  void execute(const char* sql, const char* doing);

  [[noreturn]] void fail(int code, const char* doing);

  [[nodiscard]] sqlite3* handle() noexcept { return database_->getHandle(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Whether a transaction is open. SQLite ends one by itself after some failures.
  [[nodiscard]] bool in_transaction() noexcept { return sqlite3_get_autocommit(handle()) == 0; }
  /// Pages in the write-ahead log after the newest commit of this connection.
  [[nodiscard]] int wal_pages() const noexcept { return wal_pages_; }

  /// Leaks the handle on purpose: in a forked child it belongs to the parent and must not even be closed.
  void abandon() noexcept;

 private:
  void configure(Role role, const Options& options);

  std::string path_;
  std::unique_ptr<SQLite::Database> database_;
  std::array<sqlite3_stmt*, static_cast<std::size_t>(Sql::kCount)> statements_{};
  Deadline deadline_;
  Turn* turn_ = nullptr;
  int wal_pages_ = 0;
};

}  // namespace dcache::store::sqlite
