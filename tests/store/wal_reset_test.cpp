// SPDX-License-Identifier: Apache-2.0
//
// The worst moment for a checkpoint. SQLite before 3.51.3 loses committed rows when a writer starts the log
// anew between the moment at which a passive checkpoint has read the log's header and that at which it notes
// how much it has copied. The schedule here makes that happen every time; the store must not let it.
#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <stdexcept>

#include "store/sqlite/checkpoint.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/hooked_vfs.hpp"

namespace {

/// Whether rows are gone or the database is damaged, as any reader would find out.
bool harmed(const std::filesystem::path& path, const std::string& count, std::int64_t committed) {
  try {
    Database database(path);
    return database.number(count) != committed || database.text("PRAGMA integrity_check") != "ok";
  } catch (const std::runtime_error&) {
    return true;
  }
}

/// The schedule with SQLite alone.
class Bare {
 public:
  explicit Bare(const std::filesystem::path& path)
      : path_(path), writer_(path), other_(path), checkpointer_(path) {
    for (Database* one : {&writer_, &other_, &checkpointer_}) {
      one->run("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=NORMAL");
      sqlite3_busy_timeout(one->handle(), 0);
    }
    writer_.run("CREATE TABLE kv(k INTEGER PRIMARY KEY, v BLOB)");
    checkpointer_.run("SELECT count(*) FROM kv");
  }

  /// Whether the row was committed.
  bool put() {
    const std::string row = "INSERT INTO kv VALUES(" + std::to_string(committed_) + ", randomblob(900))";
    if (writer_.try_run(row) != SQLITE_OK) return false;
    ++committed_;
    return true;
  }

  void run(HookedVfs& vfs, bool guarded) {
    for (int i = 0; i < 60; ++i) REQUIRE(put());
    other_.run("PRAGMA wal_checkpoint(PASSIVE)");
    bool written = false;
    vfs.amid_checkpoint([&] { written = put(); });
    {
      Database guard(path_);
      if (guarded) guard.run("BEGIN IMMEDIATE");
      checkpointer_.run("PRAGMA wal_checkpoint(PASSIVE)");
      CHECK(vfs.ran() == 1);
      CHECK(written == !guarded);
    }
    for (int i = 0; i < 150; ++i) REQUIRE(put());
    // From here on damage may show; then there is nothing more to commit.
    other_.try_run("PRAGMA wal_checkpoint(PASSIVE)");
    put();
    other_.try_run("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  [[nodiscard]] bool is_harmed() const { return harmed(path_, "SELECT count(*) FROM kv", committed_); }

 private:
  std::filesystem::path path_;
  Database writer_;
  Database other_;
  Database checkpointer_;
  std::int64_t committed_ = 0;
};

}  // namespace

TEST_CASE("the schedule harms a database on an SQLite that has the fault, and on no other") {
  const TempDir dir;
  HookedVfs vfs;
  Bare bare(dir / "w.db");
  bare.run(vfs, false);
  CHECK(bare.is_harmed() == store::sqlite::passive_checkpoint_is_unsafe(sqlite3_libversion_number()));
}

TEST_CASE("the same schedule does no harm while another connection has the write lock") {
  const TempDir dir;
  HookedVfs vfs;
  Bare bare(dir / "w.db");
  bare.run(vfs, true);
  CHECK_FALSE(bare.is_harmed());
}

TEST_CASE("the store's own checkpoints lose nothing under the same schedule, any number of times") {
  const TempDir dir;
  HookedVfs vfs;
  const std::filesystem::path path = dir / "cache" / "cache.db";
  std::int64_t committed = 0;
  int refused = 0;
  {
    Cache cache(dir / "cache", {.timeout = 5s});
    Cache other(dir / "cache", {.timeout = 0s});
    Database foreign(path);
    foreign.run("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=NORMAL");
    const auto put = [&](Cache& into) {
      into.set("key" + std::to_string(committed), std::string(900, static_cast<char>('a' + committed % 26)));
      ++committed;
    };
    put(other);
    // The first checkpoint finds the log as its new connection has just read it, and does not come by the
    // hook.
    while (cache.stats().checkpoints == 0) put(cache);
    for (int round = 0; round < rounds(4); ++round) {
      const auto checkpoints = cache.stats().checkpoints;
      // The log is copied as a whole just before our checkpoint looks at it: the next writer may start it
      // anew.
      vfs.before_checkpoint([&] { foreign.run("PRAGMA wal_checkpoint(PASSIVE)"); });
      vfs.amid_checkpoint([&] {
        try {
          put(other);
        } catch (const Timeout&) {
          ++refused;
        }
      });
      while (cache.stats().checkpoints == checkpoints) put(cache);
      CHECK(vfs.ran() == 2 * (round + 1));
      // Committed work in the first part of the log, which such a checkpoint would count as copied.
      for (int i = 0; i < 150; ++i) put(i % 2 == 0 ? cache : other);
      foreign.run("PRAGMA wal_checkpoint(PASSIVE)");
      put(cache);
      foreign.run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    std::int64_t found = 0;
    for (std::int64_t i = 0; i < committed; ++i) {
      const std::string expected(900, static_cast<char>('a' + i % 26));
      if (cache.get("key" + std::to_string(i)) == expected) ++found;
    }
    CHECK(found == committed);
  }
  if (store::sqlite::passive_checkpoint_is_unsafe(sqlite3_libversion_number())) CHECK(refused == rounds(4));
  CHECK_FALSE(harmed(path, "SELECT count(*) FROM entries", committed));
}
