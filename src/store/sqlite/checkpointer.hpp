// SPDX-License-Identifier: Apache-2.0
//
// Copies the write-ahead log into the database.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "platform/mutex.hpp"
#include "store/sqlite/connection.hpp"

namespace dcache::store::sqlite {

/// Safe from any thread, but for `close` and `abandon`. Failure is never an error: what was committed stands,
/// and the next checkpoint tries again.
class Checkpointer {
 public:
  /// `in_use` counts threads that are in the middle of something with a connection. Both are to outlive it.
  Checkpointer(std::string database, const Options& options, std::atomic<int>& in_use);
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;
  /// Waits for a checkpoint that its thread is at.
  ~Checkpointer() DCACHE_TSA(no_thread_safety_analysis);

  /// Due is to copy what there is. Overdue is a log that could not start anew because others kept writing to
  /// it: that takes a moment without them, if there is one; if it is urgent, one is waited for.
  enum class Haste { none, due, overdue, urgent };

  /// Does it now, or soon on a thread of its own if the options say so.
  void run(Haste haste) noexcept;

  /// Copies what is in the log, while others read and write. Whether that was all of it; false if another
  /// thread is at it.
  bool beside_others() noexcept;

  /// For how long a checkpoint that must be waits for other writers.
  static constexpr std::chrono::seconds kPatience{1};

  /// Copies what is in the log while nobody can write, so that the next commit starts the log anew. Whether
  /// all of it was copied: a reader of an older state may be in the way, or a writer for all of that time.
  bool alone(std::chrono::nanoseconds patience = kPatience) noexcept;

  /// How many checkpoints have run.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

  /// Ends the thread; what is due from now on is done at once.
  void stop() noexcept;
  void close() noexcept DCACHE_TSA(no_thread_safety_analysis);
  /// In a forked child: see Connection::abandon.
  void abandon() noexcept DCACHE_TSA(no_thread_safety_analysis);

 private:
  void run_now(Haste haste) noexcept;
  bool sync_copied() noexcept;
  [[nodiscard]] bool start_thread() noexcept DCACHE_REQUIRES(thread_mutex_);
  void run_on_thread() noexcept;
  void open() DCACHE_REQUIRES(mutex_);
  bool copy_guarded(Sql begin_guard, Deadline deadline) noexcept DCACHE_REQUIRES(mutex_);
  bool copy() DCACHE_REQUIRES(mutex_);

  const std::string database_;
  const Options& options_;
  std::atomic<int>& in_use_;
  const std::uint64_t fork_generation_;
  std::atomic<std::uint64_t> count_{0};

  platform::Mutex mutex_;
  std::unique_ptr<Connection> guard_ DCACHE_GUARDED_BY(mutex_);
  std::unique_ptr<Connection> copier_ DCACHE_GUARDED_BY(mutex_);

  platform::Mutex thread_mutex_;
  platform::Condition wanted_;
  std::unique_ptr<std::thread> thread_ DCACHE_GUARDED_BY(thread_mutex_);
  Haste due_ DCACHE_GUARDED_BY(thread_mutex_) = Haste::none;
  bool stopping_ DCACHE_GUARDED_BY(thread_mutex_) = false;
};

}  // namespace dcache::store::sqlite
