// SPDX-License-Identifier: Apache-2.0
//
// The yardstick: a two-column table without rowid, and SQLite's own defaults besides.
#include <pthread.h>

#include "compare/peer.hpp"
#include "contenders.hpp"
#include "raw.hpp"

namespace bench::compare {

namespace {

/// A database as it must be before the first statement is prepared.
struct Table {
  explicit Table(const std::filesystem::path& directory) : database(directory / "raw.db") {
    constexpr int kBusyMs = 60'000;
    sqlite3_busy_timeout(database.handle(), kBusyMs);
    // Debian's SQLite zeroes what it frees unless told otherwise.
    database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF");
    database.run("CREATE TABLE IF NOT EXISTS entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
  }
  raw::Database database;
};

class Sqlite final : public Peer {
 public:
  explicit Sqlite(const std::filesystem::path& directory) : directory_(directory), table_(directory) {}

  std::string version() override { return sqlite3_libversion(); }

  std::optional<std::string> get(std::string_view key) override {
    std::optional<std::string> found;
    if (get_.bind(1, key).step()) found.emplace(get_.bytes(0));
    get_.reset();
    return found;
  }
  void set(std::string_view key, std::string_view value) override { set_.bind(1, key).bind(2, value).run(); }
  bool add(std::string_view key, std::string_view value) override {
    add_.bind(1, key).bind(2, value).run();
    return table_.database.changed();
  }
  bool erase(std::string_view key) override {
    erase_.bind(1, key).run();
    return table_.database.changed();
  }
  void set_all(std::span<const Key> keys, Values& values) override {
    begin_.run();
    for (const Key& key : keys) set(key.text, values.next_of(key.number));
    commit_.run();
  }

  void lock() override {
    if (!contender_) contender_ = make_contender(bench::Kind::sqlite, directory_, unused_);
    contender_->lock();
  }
  void unlock() override { contender_->unlock(); }

 private:
  [[nodiscard]] raw::Statement prepared(const char* sql) const { return {table_.database, sql}; }

  const std::filesystem::path directory_;
  Table table_;
  raw::Statement get_ = prepared("SELECT value FROM entries WHERE key = ?1");
  raw::Statement set_ =
      prepared("INSERT INTO entries VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
  raw::Statement add_ = prepared("INSERT INTO entries VALUES(?1, ?2) ON CONFLICT DO NOTHING");
  raw::Statement erase_ = prepared("DELETE FROM entries WHERE key = ?1");
  raw::Statement begin_ = prepared("BEGIN IMMEDIATE");
  raw::Statement commit_ = prepared("COMMIT");
  pthread_mutex_t unused_{};
  std::unique_ptr<Contender> contender_;
};

}  // namespace

Kind sqlite_kind() {
  return {.id = "sqlite",
          .title = "raw SQLite",
          .settings =
              "two columns WITHOUT ROWID, prepared statements, WAL, synchronous=NORMAL, SQLite's default "
              "cache of 2 MB; its lock is a row, added and deleted, tried again at once",
          .abilities = {.locks = true},
          .open = [](const std::filesystem::path& directory) { return std::make_unique<Sqlite>(directory); }};
}

}  // namespace bench::compare
