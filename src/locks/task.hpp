// SPDX-License-Identifier: Apache-2.0
//
// What is waited for without a thread, and the one thread that looks after all that a process waits for so in
// one directory.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "cache/state.hpp"
#include "dcache/pending.hpp"
#include "locks/sleep.hpp"
#include "platform/mutex.hpp"

namespace dcache::locking {

class Caretaker;

/// Something that goes on in steps until it is over. To be held by shared pointers.
class Task : public std::enable_shared_from_this<Task> {
 public:
  explicit Task(std::shared_ptr<detail::CacheState> state) : state_(std::move(state)) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;

  // As detail::Pending has them.
  [[nodiscard]] bool start(std::function<void()> ready);
  void cancel() noexcept;
  void drop() noexcept;
  using Taken = detail::Pending::Taken;
  [[nodiscard]] Taken take();

 protected:
  using Clock = std::chrono::steady_clock;
  enum class Step { over, sleep };

  /// Goes on as far as it can without sleeping. One thread at a time. What it throws ends it.
  virtual Step advance(std::chrono::milliseconds patience) = 0;
  /// How it is to sleep, and whose word wakes it.
  [[nodiscard]] virtual Sleep sleep() const = 0;
  [[nodiscard]] virtual std::uint64_t agent() const = 0;
  /// Once it is over: whether it has got something that others have to do without.
  [[nodiscard]] virtual bool holds() const = 0;
  virtual void give_back() noexcept = 0;
  /// Gives up what it waits in.
  virtual void leave() noexcept = 0;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual Taken outcome() const = 0;

  /// For what it waits in: how to get on without a thread.
  [[nodiscard]] Sleeper sleeper();
  [[nodiscard]] std::stop_token stop() const noexcept { return stop_.get_token(); }
  [[nodiscard]] detail::CacheState& state() const noexcept { return *state_; }
  [[nodiscard]] const std::shared_ptr<detail::CacheState>& shared_state() const noexcept { return state_; }

 private:
  friend class Caretaker;
  enum class Stage { idle, stepping, waiting, over, taken };

  [[nodiscard]] std::exception_ptr cancelled_error() const;

  const std::shared_ptr<detail::CacheState> state_;
  std::stop_source stop_;
  std::shared_ptr<Caretaker> caretaker_;  ///< from the first start on
  std::atomic<bool> woken_{false};
  std::mutex turn_;  ///< of whoever does a step, or gives up what steps have come to; before the caretaker's

  // Guarded by the caretaker's mutex, but for `error_` and `sleep_` while stepping.
  Stage stage_ = Stage::idle;
  bool cancelled_ = false;
  bool dropped_ = false;
  bool reclaimed_ = false;
  std::exception_ptr error_;
  Sleep sleep_;
  Clock::time_point reclaim_at_{};
  std::function<void()> ready_;
};

/// It was over with an error before it began.
std::shared_ptr<Task> failed_task(std::shared_ptr<detail::CacheState> state, std::exception_ptr error);

class Caretaker : public std::enable_shared_from_this<Caretaker> {
 public:
  /// That of a session: a forked child has another session, and so never meets its parent's.
  static std::shared_ptr<Caretaker> of(const std::string& session);

  explicit Caretaker(std::string session) : session_(std::move(session)) {}

 private:
  friend class Task;
  using Clock = std::chrono::steady_clock;
  using Tasks = std::vector<std::shared_ptr<Task>>;

  void nudge() noexcept;
  Task::Step step(Task& task, std::chrono::milliseconds patience) noexcept;
  /// After a step: waits on or ends. Returns whether it ended here.
  bool settle(const std::shared_ptr<Task>& task, Task::Step step, std::function<void()>* ready);
  void ensure_thread() DCACHE_REQUIRES(mutex_);
  std::shared_ptr<const void> may_watch(const std::string& session);

  void run() noexcept;
  void sleep_until(Clock::time_point until, const std::shared_ptr<detail::CacheState>& state,
                   std::optional<std::uint32_t> word) DCACHE_REQUIRES(mutex_);

  const std::string session_;
  std::atomic<int> rarely_{1};
  platform::Mutex mutex_;
  platform::Condition changed_;
  std::set<std::shared_ptr<Task>> waiting_ DCACHE_GUARDED_BY(mutex_);
  std::set<std::shared_ptr<Task>> granted_ DCACHE_GUARDED_BY(mutex_);  ///< and not taken yet
  Tasks leaving_ DCACHE_GUARDED_BY(mutex_);
  bool running_ DCACHE_GUARDED_BY(mutex_) = false;
  /// Through whose store the thread sleeps, if it does so on a word.
  std::shared_ptr<detail::CacheState> asleep_ DCACHE_GUARDED_BY(mutex_);
  Clock::time_point wakes_at_ DCACHE_GUARDED_BY(mutex_){};
  std::weak_ptr<const std::string> watched_ DCACHE_GUARDED_BY(mutex_);
};

}  // namespace dcache::locking
