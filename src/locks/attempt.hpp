// SPDX-License-Identifier: Apache-2.0
//
// One call of `lock` or its like, as steps between which it sleeps: a thread that waits goes through them by
// itself (`run`), and those that wait without a thread are led through them by one for all (task.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "locks/access.hpp"
#include "locks/deadlock.hpp"
#include "locks/handle_impl.hpp"
#include "locks/line.hpp"
#include "locks/sleep.hpp"
#include "locks/waiting.hpp"
#include "locks/watches.hpp"

namespace dcache {

/// Its end gives up the place in the queue.
class LockHandle::Impl::Attempt {
 public:
  /// With a sleeper it waits without a thread, and is to be led by `advance`.
  Attempt(Impl& lock, Store& store, Deadline deadline, const std::stop_token* stop, locking::Wish wish,
          const locking::Sleeper* sleeper = nullptr);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt() { leave(); }

  /// On this thread, to the end.
  Failed run();

  enum class Step { held, go_on, sleep, timeout, tries, deadlock };
  /// Goes on until it is over or, with Step::sleep, has to sleep as `sleep()` says; never Step::go_on.
  /// Without a thread a store that is busy is waited for no longer than `patience` at a time. Throws as
  /// `lock`.
  Step advance(std::chrono::milliseconds patience);
  [[nodiscard]] const locking::Sleep& sleep() const noexcept { return sleep_; }

  static Failed failed(Step step);

 private:
  using Outcome = locking::Outcome;
  using Clock = std::chrono::steady_clock;
  /// What comes next.
  enum class Phase { first, spin, line, queue, outside, look, woken };
  struct StoreIsBusy {};

  Step next();
  Step try_first();
  Step try_again();
  Step change(locking::Queue queue);
  Step read();
  Step spin();
  Step stand_in(std::optional<locking::Place>& place, Clock::time_point visible);
  Step queue();
  Step look();
  Step woken();
  void watch();
  [[nodiscard]] locking::Sleep doze();
  void sleep_now();
  void end_wait() noexcept;
  void leave() noexcept;
  void tell();
  void count_grant() const noexcept;
  void check_circle();
  [[nodiscard]] std::vector<locking::Link> circle() const;
  void check_stop() const;
  [[nodiscard]] bool over() const { return deadline_ != kNoDeadline && Clock::now() >= deadline_; }
  [[nodiscard]] bool add();
  template <class F>
  auto patiently(F f);
  [[nodiscard]] Step count_try();
  /// Whether the thread that waits holds anything.
  [[nodiscard]] bool holds_any() const { return sleeper_ == nullptr && thread_holds_any(); }
  Step go_to(Phase phase) noexcept {
    phase_ = phase;
    return Step::go_on;
  }
  [[nodiscard]] std::function<void()> on_first() const {
    return sleeper_ != nullptr ? sleeper_->wake : std::function<void()>();
  }

  Impl& lock_;
  Store& store_;
  const Deadline deadline_;
  const std::stop_token* const stop_;
  const locking::Sleeper* const sleeper_;
  const std::uint64_t by_;
  const Clock::time_point started_ = Clock::now();
  Phase phase_ = Phase::first;
  bool waited_ = false;
  std::chrono::milliseconds patience_{};
  std::optional<Deadline> busy_until_;  ///< of the transaction that could not begin yet
  Clock::time_point told_{};
  std::uint64_t tries_ = 0;
  bool spinning_ = false;
  locking::Wish wish_;  ///< with the ticket of its place in the queue
  locking::Pause pause_{lock_.options_.backoff, deadline_, stop_};
  locking::Sleep sleep_;
  std::optional<locking::Place> line_;     ///< among those of this process
  std::optional<locking::Place> outside_;  ///< among those of this process who find the queue full
  Clock::time_point visible_ = Clock::time_point::max();
  std::optional<std::uint32_t> seen_;
  int slept_ = 0;
  Clock::time_point circle_look_ = Clock::time_point::max();
  locking::Look look_;  ///< what the record said when it was last seen
  /// The end of the turn for which another one has been woken: once is enough, and may be this one's own
  /// word.
  std::optional<std::int64_t> woken_for_;
  std::shared_ptr<const void> may_watch_;
  locking::Watches watches_;  ///< of those whose end changes our fate
};

}  // namespace dcache
