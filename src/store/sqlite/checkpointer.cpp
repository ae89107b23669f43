// SPDX-License-Identifier: Apache-2.0
//
// SQLite before 3.51.3 can lose commits when a writer starts the log anew while a passive checkpoint is at
// it: one that has read the log's header but not yet looked at how much is copied. So another connection
// stands guard. A read transaction is enough: if it reads from the log, its mark there keeps everybody from
// starting the log anew; if all of the log was copied before it began, it reads from the database alone, and
// that keeps the checkpoint from copying anything. A FULL checkpoint is no way out: when it finds the
// database busy it runs a passive one, without any lock.
#include "store/sqlite/checkpointer.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "platform/fork.hpp"
#include "platform/thread.hpp"
#include "store/sqlite/in_use.hpp"

namespace dcache::store::sqlite {

namespace {

/// Ends what the guard's connection is in, if anything.
class Guarding {
 public:
  explicit Guarding(Connection& guard) noexcept : guard_(guard) {}
  Guarding(const Guarding&) = delete;
  Guarding& operator=(const Guarding&) = delete;
  ~Guarding() {
    if (guard_.in_transaction()) guard_.use(Sql::rollback).step();
  }

 private:
  Connection& guard_;
};

}  // namespace

Checkpointer::Checkpointer(std::string database, const Options& options, std::atomic<int>& in_use)
    : database_(std::move(database)),
      options_(options),
      in_use_(in_use),
      fork_generation_(platform::fork_generation()) {}

Checkpointer::~Checkpointer() {
  if (fork_generation_ == platform::fork_generation()) {
    stop();
  } else if (thread_ != nullptr) {
    platform::keep_for_parent(std::move(thread_));
  }
}

bool Checkpointer::beside_others() noexcept {
  if (!mutex_.try_lock()) return false;
  const bool complete = copy_guarded(Sql::begin_reading, std::chrono::steady_clock::now());
  mutex_.unlock();
  return complete;
}

bool Checkpointer::alone(std::chrono::nanoseconds patience) noexcept {
  platform::MutexLock lock(mutex_);
  return copy_guarded(Sql::begin, std::chrono::steady_clock::now() + patience);
}

bool Checkpointer::copy_guarded(Sql begin_guard, Deadline deadline) noexcept {
  try {
    open();
    const Guarding guarding(*guard_);
    guard_->set_deadline(deadline);
    Statement begin = guard_->use(begin_guard);
    guard_->run(begin, "guard a checkpoint");
    // A transaction that only reads takes its mark with its first read.
    Statement row = guard_->use(Sql::meta_get);
    guard_->step(row.bind_text(1, "uuid"), "guard a checkpoint");
    return copy();
  } catch (const std::exception&) {
    return false;
  }
}

void Checkpointer::open() {
  const auto now = std::chrono::steady_clock::now();
  if (guard_ == nullptr) {
    guard_ = std::make_unique<Connection>(database_, Connection::Role::checkpointer, options_, now);
    guard_->use(Sql::rollback);  // must be there when memory is not
  }
  if (copier_ == nullptr)
    copier_ = std::make_unique<Connection>(database_, Connection::Role::checkpointer, options_, now);
}

bool Checkpointer::copy() {
  copier_->set_deadline(std::chrono::steady_clock::now());
  int in_log = 0;
  int copied = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(copier_->handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
  if (code != SQLITE_OK) return false;
  count_.fetch_add(1, std::memory_order_relaxed);
  return in_log == copied;
}

/// Waits until what was copied so far is on the disk.
bool Checkpointer::sync_copied() noexcept {
  const platform::MutexLock lock(mutex_);
  if (copier_ == nullptr) return false;
  sqlite3_file* file = nullptr;
  return sqlite3_file_control(copier_->handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
         file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) == SQLITE_OK;
}

void Checkpointer::run_now(Haste haste) noexcept {
  beside_others();
  if (haste <= Haste::due) return;
  // What was written meanwhile, so that the moment without writers is short. SQLite brings the database to
  // the disk when it has copied to the end of the log: then, if not before.
  beside_others();
  if (!sync_copied()) return;
  alone(haste == Haste::urgent ? kPatience : std::chrono::nanoseconds());
}

void Checkpointer::run(Haste haste) noexcept {
  if (haste == Haste::none) return;
  if (options_.background_checkpoints) {
    platform::MutexLock lock(thread_mutex_);
    if (start_thread()) {
      due_ = std::max(due_, haste);
      wanted_.notify_one();
      return;
    }
  }
  run_now(haste);
}

bool Checkpointer::start_thread() noexcept {
  if (stopping_) return false;
  if (thread_ != nullptr) return true;
  try {
    thread_ = std::make_unique<std::thread>(platform::start_thread([this] { run_on_thread(); }));
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

void Checkpointer::run_on_thread() noexcept {
  for (;;) {
    Haste haste = Haste::none;
    {
      platform::MutexLock lock(thread_mutex_);
      while (due_ == Haste::none && !stopping_) wanted_.wait(thread_mutex_);
      if (stopping_) return;
      haste = std::exchange(due_, Haste::none);
    }
    const platform::MutexLock working(platform::work_mutex());
    const InUse running(in_use_);
    run_now(haste);
  }
}

void Checkpointer::stop() noexcept {
  std::unique_ptr<std::thread> thread;
  {
    platform::MutexLock lock(thread_mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  wanted_.notify_one();
  if (thread != nullptr) thread->join();
}

void Checkpointer::close() noexcept {
  guard_.reset();
  copier_.reset();
}

void Checkpointer::abandon() noexcept {
  if (guard_ != nullptr) guard_->abandon();
  if (copier_ != nullptr) copier_->abandon();
}

}  // namespace dcache::store::sqlite
