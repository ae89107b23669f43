// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/sqlite_store.hpp"

#include <sqlite3.h>

#include <array>
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "platform/fork.hpp"
#include "store/deadline.hpp"
#include "store/engines.hpp"
#include "store/sqlite/checkpoint.hpp"
#include "store/sqlite/database.hpp"
#include "store/sqlite/errors.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::size_t kIdleReaders = 16;

constexpr std::array<const char*, 3> kFiles{"cache.db", "cache.db-wal", "cache.db-shm"};

}  // namespace

SqliteStore::SqliteStore(platform::Directory directory, const Options& options, MakeLayout layout)
    : directory_(std::move(directory)),
      options_(options),
      session_(Session::of(directory_)),
      files_(directory_.path),
      database_file_(directory_.path / "cache.db"),
      checkpoint_after_(kCheckpointPages),
      hints_(directory_.path),
      fork_generation_(platform::fork_generation()),
      checkpointer_(database_path(), options_, in_use_) {
  settle_after_fork(directory_);
  // From here on a fork finds this in the list, and in use.
  const InUse opening(in_use_);
  enlist();
  try {
    idle_readers_.push_back(open_database(directory_, options_, deadline_from_now(), layout));
    note_files(*idle_readers_.back());
  } catch (...) {
    idle_readers_.clear();
    leave_list();
    throw;
  }
}

SqliteStore::~SqliteStore() {
  if (fork_generation_ == platform::fork_generation()) {
    const InUse closing(in_use_);
    if (!removed_files_.empty()) {
      try {
        Write write(*this, std::chrono::steady_clock::now());
        write.commit();
      } catch (const std::exception&) {
        // The next sweep forgets them.
      }
    }
    checkpointer_.stop();
    trim_log();
    close_all();
  }
  leave_list();
}

Deadline SqliteStore::deadline_from_now() const { return deadline_after(options_.timeout); }

/// Notes which files SQLite has opened.
void SqliteStore::note_files(Connection& connection) {
  for (std::size_t i = 0; i < kFiles.size(); ++i) files_seen_[i] = platform::file_info(file(kFiles[i])).id;
  int moved = 0;
  sqlite3_file_control(connection.handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (moved != 0) throw_replaced();
}

void SqliteStore::throw_replaced() const {
  throw NotACache("the cache in '" + escape(directory_.path.native()) +
                  "' was removed or replaced while it was open; open it again");
}

void SqliteStore::check_moved() {
  const platform::FileInfo now = platform::file_info(database_file_);
  if (now.id != files_seen_[0]) throw_replaced();
  if (now.size < kPageBytes) {
    throw Corrupt("'" + escape(database_file_.native()) +
                  "' was cut short while it was open: stop all users and move the directory aside");
  }
  check_log_sometimes();
}

/// The log and its index, which nobody but a person removes: what is written then reaches nobody else.
/// Looking every time would cost a write a tenth.
void SqliteStore::check_log_sometimes() {
  const std::int64_t now = platform::coarse_monotonic_ns();
  if (now - looked_at_log_.load(std::memory_order_relaxed) < kLookPeriod) return;
  for (std::size_t i = 1; i < kFiles.size(); ++i) {
    if (platform::file_info(file(kFiles[i])).id == files_seen_[i]) continue;
    throw Corrupt("'" + escape(file(kFiles[i])) +
                  "' was removed while the cache was open: stop all users of it, then open it again");
  }
  looked_at_log_.store(now, std::memory_order_relaxed);
}

/// For reads, whose answers from a removed cache are merely old: looking every time would cost them a third.
/// Who has a transaction open has looked when it began.
void SqliteStore::check_moved_sometimes() {
  if (in_transaction()) return;
  const std::int64_t now = platform::coarse_monotonic_ns();
  if (now - looked_for_move_.load(std::memory_order_relaxed) < kLookPeriod) return;
  check_moved();
  if (options_.memory == 0) look_at_board();
  looked_for_move_.store(now, std::memory_order_relaxed);  // only now: what is gone is gone for every read
}

std::string SqliteStore::session() {
  try {
    return session_->token();
  } catch (const IoError&) {
    check_moved();  // the better reason
    throw;
  }
}

std::string SqliteStore::uuid() {
  std::call_once(uuid_read_, [this] {
    Read read(*this);
    Statement row = read->use(Sql::meta_get);
    if (read->step(row.bind_text(1, "uuid"), "read the identity of the cache")) uuid_ = row.bytes(0);
  });
  return uuid_;
}

bool SqliteStore::take_slot(Deadline deadline) {
  if (!writer_slot_.acquire(deadline)) return false;
  in_use_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void SqliteStore::throw_no_turn() const {
  throw Timeout("cannot write in '" + escape(directory_.path.native()) +
                "': other threads of this process were writing for all of the time allowed");
}

void SqliteStore::free_slot() {
  const auto due = std::exchange(checkpoint_due_, Checkpointer::Haste::none);
  turn_.go(due != Checkpointer::Haste::none);
  writer_slot_.release();
  checkpointer_.run(due);
  in_use_.fetch_sub(1, std::memory_order_relaxed);
}

Connection& SqliteStore::writer(Deadline deadline) {
  if (writer_ == nullptr) {
    writer_ = std::make_unique<Connection>(database_path(), Connection::Role::writer, options_, deadline);
    // What ends a transaction must be there when memory is not.
    writer_->use(Sql::commit);
    writer_->use(Sql::rollback);
  }
  return *writer_;
}

void SqliteStore::begin_writing(Deadline deadline, bool to_disk) {
  if (!take_slot(deadline)) throw_no_turn();
  try {
    Connection& connection = writer(deadline);
    connection.set_deadline(deadline);
    if (to_disk) connection.execute("PRAGMA synchronous=FULL", "raise the durability");
    Statement begin = connection.use(Sql::begin);
    turn_.come(mapped_board(), deadline);
    connection.run(begin, "begin a write", turn_);
    check_moved();
    writing_since_ = platform::now().unix_nanoseconds();
  } catch (...) {
    end_writing(to_disk);
    throw;
  }
}

void SqliteStore::commit_writing() {
  files_before_commit(*writer_);
  {
    Statement commit = writer_->use(Sql::commit);
    writer_->run(commit, "commit");
  }
  stamps_.settle();
  files_after_commit();
}

void SqliteStore::end_writing(bool to_disk) noexcept {
  if (writer_ != nullptr && writer_->in_transaction()) writer_->use(Sql::rollback).step();
  stamps_.settle();
  files_after_rollback();
  settings_version_.reset();  // they may be the ones that were just undone
  if (to_disk) lower_durability();
  free_slot();
}

void SqliteStore::lower_durability() noexcept {
  if (writer_ == nullptr) return;
  sqlite3_exec(writer_->handle(), "PRAGMA synchronous=NORMAL", nullptr, nullptr, nullptr);
}

void SqliteStore::begin() {
  if (in_transaction()) {
    ++depth_;
    return;
  }
  begin_writing(deadline_from_now());
  depth_ = 1;
  doomed_ = false;
}

void SqliteStore::commit() {
  if (!in_transaction()) throw Misuse("commit without a transaction on this thread");
  if (depth_ > 1) {
    --depth_;
    return;
  }
  if (doomed_ || !writer_->in_transaction()) {
    rollback();
    throw Misuse("the transaction was undone: a call inside it failed, and the error was swallowed");
  }
  try {
    commit_writing();
  } catch (...) {
    rollback();
    throw;
  }
  depth_ = 0;
  after_commit();
  free_slot();
}

void SqliteStore::rollback() noexcept {
  if (!in_transaction()) return;
  doomed_ = true;
  if (--depth_ > 0) return;
  end_writing();
}

Read::Read(SqliteStore& store, Extent extent) : store_(store) {
  if (store.in_transaction()) {
    connection_ = store.writer_.get();
    return;
  }
  using_.emplace(store.in_use_);
  const Deadline deadline = store.deadline_from_now();
  if (extent == Extent::single_row && store.writer_slot_.take_back()) {
    if (store.writer_ != nullptr && !store.writer_->in_transaction()) {
      has_slot_ = true;
      connection_ = store.writer_.get();
      connection_->set_deadline(deadline);
      return;
    }
    store.writer_slot_.release();
  }
  {
    platform::MutexLock lock(store.readers_mutex_);
    if (!store.idle_readers_.empty()) {
      borrowed_ = std::move(store.idle_readers_.back());
      store.idle_readers_.pop_back();
    }
  }
  if (borrowed_ == nullptr) {
    borrowed_ = std::make_unique<Connection>(store.database_path(), Connection::Role::reader, store.options_,
                                             deadline);
  }
  borrowed_->set_deadline(deadline);
  connection_ = borrowed_.get();
}

Read::~Read() {
  if (has_slot_) store_.writer_slot_.release();
  if (borrowed_ == nullptr) return;
  platform::MutexLock lock(store_.readers_mutex_);
  if (store_.idle_readers_.size() < kIdleReaders) store_.idle_readers_.push_back(std::move(borrowed_));
}

Write::Write(SqliteStore& store, Deadline deadline, Durability durability)
    : store_(store),
      joined_(store.in_transaction()),
      to_disk_(durability == Durability::full && store.options_.durability != Durability::full) {
  if (!joined_) {
    store.begin_writing(deadline, to_disk_);
  } else if (store.doomed_ || !store.writer_->in_transaction()) {
    throw Misuse("this transaction was already undone by an earlier failure; leave its body");
  }
}

Write::~Write() {
  if (joined_) {
    if (!committed_ && changed_) store_.doomed_ = true;
  } else if (committed_) {
    if (to_disk_) store_.lower_durability();
    store_.free_slot();
  } else {
    store_.end_writing(to_disk_);
  }
}

void Write::commit() {
  if (!joined_) {
    store_.commit_writing();
    store_.after_commit();
  }
  committed_ = true;
}

}  // namespace dcache::store::sqlite

namespace dcache::store {

std::unique_ptr<Store> open_sqlite(platform::Directory directory, const Options& options, MakeLayout layout) {
  return std::make_unique<sqlite::SqliteStore>(std::move(directory), options, layout);
}

}  // namespace dcache::store
