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

  /// `guard` is what another connection does before the checkpoint, if anything.
  void run(HookedVfs& vfs, const char* guard_by) {
    for (int i = 0; i < 60; ++i) REQUIRE(put());
    other_.run("PRAGMA wal_checkpoint(PASSIVE)");
    bool written = false;
    vfs.amid_checkpoint([&] { written = put(); });
    {
      Database guard(path_);
      guard.run(guard_by);
      checkpointer_.run("PRAGMA wal_checkpoint(PASSIVE)");
      CHECK(vfs.ran() == 1);
    }
    was_written_amid_ = written;
    for (int i = 0; i < 150; ++i) REQUIRE(put());
    // From here on damage may show; then there is nothing more to commit.
    other_.try_run("PRAGMA wal_checkpoint(PASSIVE)");
    put();
    other_.try_run("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  [[nodiscard]] bool was_written_amid() const noexcept { return was_written_amid_; }
  [[nodiscard]] bool is_harmed() const { return harmed(path_, "SELECT count(*) FROM kv", committed_); }

 private:
  std::filesystem::path path_;
  Database writer_;
  Database other_;
  Database checkpointer_;
  std::int64_t committed_ = 0;
  bool was_written_amid_ = false;
};

/// Two users of one cache, and somebody who copies its log by other means.
class Users {
 public:
  Users() { foreign_.run("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=NORMAL"); }

  Cache& patient() { return patient_; }
  /// Is never kept waiting, or fails.
  Cache& other() { return other_; }

  void put(Cache& into) {
    const std::int64_t i = committed_++;  // before it comes by a hook that calls this again
    into.set(key(i), value(i));
  }

  /// The next writer may start the log anew.
  void copy_log() { foreign_.run("PRAGMA wal_checkpoint(PASSIVE)"); }

  /// Commits to the first part of the log, which a checkpoint that was cheated would count as copied.
  void go_on(int writes) {
    for (int i = 0; i < writes; ++i) put(i % 2 == 0 ? patient_ : other_);
    copy_log();
    put(patient_);
    foreign_.run("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  void check_all_is_there() {
    std::int64_t found = 0;
    for (std::int64_t i = 0; i < committed_; ++i) {
      if (patient_.get(key(i)) == value(i)) ++found;
    }
    CHECK(found == committed_);
    CHECK_FALSE(harmed(path_, "SELECT count(*) FROM entries", committed_));
  }

 private:
  static std::string key(std::int64_t i) { return "key" + std::to_string(i); }
  static std::string value(std::int64_t i) { return std::string(900, static_cast<char>('a' + i % 26)); }

  const TempDir dir_;
  const std::filesystem::path path_ = dir_ / "cache" / "cache.db";
  std::int64_t committed_ = 0;
  Cache patient_{dir_ / "cache", {.timeout = 5s}};
  Cache other_{dir_ / "cache", {.timeout = 0s}};
  Database foreign_{path_};
};

}  // namespace

TEST_CASE("the schedule harms a database on an SQLite that has the fault, and on no other") {
  const TempDir dir;
  HookedVfs vfs;
  Bare bare(dir / "w.db");
  bare.run(vfs, "");
  CHECK(bare.was_written_amid());
  CHECK(bare.is_harmed() == store::sqlite::passive_checkpoint_is_unsafe(sqlite3_libversion_number()));
}

TEST_CASE("the same schedule does no harm while another connection has the write lock") {
  const TempDir dir;
  HookedVfs vfs;
  Bare bare(dir / "w.db");
  bare.run(vfs, "BEGIN IMMEDIATE");
  CHECK_FALSE(bare.was_written_amid());
  CHECK_FALSE(bare.is_harmed());
}

TEST_CASE("nor while another connection is reading, which lets the writer in") {
  const TempDir dir;
  HookedVfs vfs;
  Bare bare(dir / "w.db");
  bare.run(vfs, "BEGIN; SELECT count(*) FROM kv");
  CHECK(bare.was_written_amid());
  CHECK_FALSE(bare.is_harmed());
}

TEST_CASE("the store's own checkpoints lose nothing under the same schedule, any number of times") {
  HookedVfs vfs;
  Users users;
  int written_amid = 0;
  users.put(users.other());
  // The first checkpoint finds the log as its new connection has just read it, and does not come by the hook.
  while (users.patient().stats().checkpoints == 0) users.put(users.patient());
  for (int round = 0; round < rounds(4); ++round) {
    bool begun = false;
    vfs.before_checkpoint([&] {
      begun = true;
      users.copy_log();
    });
    vfs.amid_checkpoint([&] {
      users.put(users.other());
      ++written_amid;
    });
    while (!begun) users.put(users.patient());
    CHECK(vfs.ran() == 2 * (round + 1));
    users.go_on(150);
  }
  CHECK(written_amid == rounds(4));
  users.check_all_is_there();
}

TEST_CASE("a write at any moment of a checkpoint is neither kept waiting nor lost") {
  for (const bool log_is_copied : {true, false}) {
    CAPTURE(log_is_copied);
    HookedVfs vfs;
    Users users;
    bool all_moments_seen = false;
    // The first ones take locks and read; the many that follow copy page after page.
    for (int moment = 0; !all_moments_seen; moment += moment < 20 ? 1 : 31) {
      CAPTURE(moment);
      int call = 0;
      bool begun = false;
      bool written = false;
      vfs.before_checkpoint([&] {
        begun = true;
        if (log_is_copied) users.copy_log();
        vfs.around_each_call([&] {
          if (call++ != moment) return;
          users.put(users.other());
          written = true;
        });
      });
      while (!begun) users.put(users.patient());
      vfs.around_each_call(nullptr);
      all_moments_seen = !written;
      users.go_on(30);
    }
    users.check_all_is_there();
  }
}
