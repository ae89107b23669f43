// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/connection.hpp"

#include <SQLiteCpp/Exception.h>

#include <utility>

#include "platform/fork.hpp"
#include "store/sqlite/checkpoint.hpp"
#include "store/sqlite/errors.hpp"
#include "store/sqlite/turn.hpp"

namespace dcache::store::sqlite {

namespace {

std::unique_ptr<SQLite::Database> open(const std::string& path) {
  // NOMUTEX: one thread at a time. NOFOLLOW: a link put in place of the file is refused. An absolute path is
  // never taken for a URI, whatever SQLite was built with.
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  try {
    return std::make_unique<SQLite::Database>(path, kFlags);
  } catch (const SQLite::Exception& failed) {
    throw_code(failed.getExtendedErrorCode(), nullptr, path, "open the database");
  }
}

}  // namespace

Connection::Connection(std::string path, Role role, const Options& options, Deadline deadline)
    : path_(std::move(path)), database_(open(path_)), deadline_(deadline) {
  sqlite3_extended_result_codes(handle(), 1);
  sqlite3_busy_handler(
      handle(),
      [](void* self, int tries) -> int {
        auto& connection = *static_cast<Connection*>(self);
        if (connection.turn_ != nullptr) connection.turn_->refused();
        Retry retry(connection.deadline_, tries);
        return retry.pause() ? 1 : 0;
      },
      this);
  configure(role, options);
}

Connection::~Connection() {
  if (database_ == nullptr) return;
  for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
}

void Connection::configure(Role role, const Options& options) {
  // A file that somebody else made must not get to run anything.
  for (const auto& [setting, value] : {std::pair{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                       {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                       {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                       {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
                                       {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}}) {
    sqlite3_db_config(handle(), setting, value, nullptr);
  }
  sqlite3_wal_autocheckpoint(handle(), 0);
  int keep_wal = 1;
  sqlite3_file_control(handle(), "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);

  // Of an empty database, from which on it has a size of its own. Said first: SQLite reckons once how many
  // pages make the bytes of its page cache.
  std::string pragmas = "PRAGMA page_size=" + std::to_string(kPageBytes) + ";";
  // Zeroing freed pages costs a write each; mapped files turn I/O errors into signals.
  pragmas += "PRAGMA secure_delete=OFF; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON;";
  pragmas +=
      options.durability == Durability::full ? "PRAGMA synchronous=FULL;" : "PRAGMA synchronous=NORMAL;";
  pragmas += "PRAGMA cache_size=-" + std::to_string(options.page_cache / 1024) + ";";
  if (role == Role::writer) {
    pragmas += "PRAGMA journal_size_limit=" + std::to_string(kBusyLogBytes) + ";";
    sqlite3_wal_hook(
        handle(),
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<Connection*>(self)->wal_pages_ = pages;
          return SQLITE_OK;
        },
        this);
  }
  execute(pragmas.c_str(), "set up a connection");
}

void Connection::execute(const char* sql, const char* doing) {
  for (Retry retry(deadline_);;) {
    const int code = database_->tryExec(sql);
    if (code == SQLITE_OK) return;
    if (!is_busy(code) || !retry.pause()) fail(code, doing);
  }
}

Statement Connection::use(Sql which) {
  sqlite3_stmt*& statement = statements_[static_cast<std::size_t>(which)];
  if (statement == nullptr) {
    const std::string_view text = sql(which);
    for (Retry retry(deadline_);;) {
      const int code = sqlite3_prepare_v3(handle(), text.data(), static_cast<int>(text.size()),
                                          SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
      if (code == SQLITE_OK) break;
      if (!is_busy(code) || !retry.pause()) fail(code, "prepare a statement");
    }
  }
  return Statement(statement);
}

bool Connection::step(Statement& statement, const char* doing) {
  for (Retry retry(deadline_);;) {
    const int code = statement.step();
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    // Inside a transaction nothing is busy; outside, a first step that failed has changed nothing.
    if (!is_busy(code) || in_transaction() || !retry.pause()) fail(code, doing);
    statement.reset();
  }
}

void Connection::run(Statement& statement, const char* doing, Turn& turn) {
  struct Told {
    Turn*& turn;
    ~Told() { turn = nullptr; }
  };
  turn_ = &turn;
  const Told told{turn_};
  run(statement, doing);
}

void Connection::fail(int code, const char* doing) { throw_code(code, handle(), path_, doing); }

void Connection::abandon() noexcept {
  platform::keep_for_parent(std::move(database_));
  statements_.fill(nullptr);
}

}  // namespace dcache::store::sqlite
