// SPDX-License-Identifier: Apache-2.0
#include "locks/task.hpp"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "dcache/error.hpp"
#include "platform/fork.hpp"
#include "platform/thread.hpp"

namespace dcache::locking {

namespace {

/// The first try is made by a thread that has other things to do.
constexpr auto kFirstPatience = std::chrono::milliseconds(2);
constexpr auto kStepPatience = std::chrono::milliseconds(25);

/// A grant that nobody takes in this time is given back.
constexpr auto kDelivery = std::chrono::seconds(1);

/// For so many tasks the thread looks as often as threads of their own would, for more of them more rarely.
constexpr std::size_t kManyLooks = 64;

/// Without anything to do the thread stays for a moment.
constexpr auto kLinger = std::chrono::seconds(1);

/// A board may have been replaced, so that nobody can wake who sleeps on the old one.
constexpr auto kLongestNap = std::chrono::milliseconds(50);

std::optional<std::uint32_t> word_of(const detail::CacheState& state, std::uint64_t agent) noexcept {
  try {
    return state.store().wake_word(agent);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::shared_ptr<Caretaker> Caretaker::of(const std::string& session) {
  static auto* const all = new std::map<std::string, std::weak_ptr<Caretaker>>;
  platform::MutexLock lock(platform::registry_mutex());
  std::erase_if(*all, [](const auto& one) { return one.second.expired(); });
  std::weak_ptr<Caretaker>& known = (*all)[session];
  std::shared_ptr<Caretaker> caretaker = known.lock();
  if (caretaker == nullptr) known = caretaker = std::make_shared<Caretaker>(session);
  return caretaker;
}

std::exception_ptr Task::cancelled_error() const {
  return std::make_exception_ptr(Cancelled(name() + ": the wait was cancelled"));
}

bool Task::start(std::function<void()> ready) {
  try {
    if (caretaker_ == nullptr) caretaker_ = Caretaker::of(state_->store().session());
  } catch (...) {
    error_ = std::current_exception();
    return true;
  }
  {
    platform::MutexLock lock(caretaker_->mutex_);
    if (dropped_) return false;
    if (cancelled_) {
      error_ = cancelled_error();
      stage_ = Stage::over;
      return true;
    }
    stage_ = Stage::stepping;
    ready_ = std::move(ready);
  }
  const Step step = caretaker_->step(*this, kFirstPatience);
  return caretaker_->settle(shared_from_this(), step, &ready);
}

void Task::cancel() noexcept {
  if (state_->forked()) return;
  stop_.request_stop();
  if (caretaker_ == nullptr) {
    cancelled_ = true;
    return;
  }
  std::function<void()> ready;
  {
    platform::MutexLock lock(caretaker_->mutex_);
    if (stage_ == Stage::taken || dropped_ || cancelled_) return;
    cancelled_ = true;
    if (stage_ != Stage::waiting) return;
    // Whoever has to wait for the store in another step keeps nobody from being told.
    const std::shared_ptr<Task> self = shared_from_this();
    caretaker_->waiting_.erase(self);
    caretaker_->leaving_.push_back(self);
    error_ = cancelled_error();
    stage_ = Stage::over;
    ready.swap(ready_);
  }
  caretaker_->nudge();
  if (ready) ready();
}

void Task::drop() noexcept {
  if (state_->forked() || caretaker_ == nullptr) return;
  stop_.request_stop();
  std::function<void()> ready;
  bool held = false;
  {
    platform::MutexLock lock(caretaker_->mutex_);
    if (std::exchange(dropped_, true)) return;
    ready.swap(ready_);
    const std::shared_ptr<Task> self = shared_from_this();
    if (stage_ == Stage::waiting) {
      caretaker_->waiting_.erase(self);
      caretaker_->leaving_.push_back(self);
    }
    caretaker_->granted_.erase(self);
    held = stage_ == Stage::over && !error_ && !reclaimed_ && holds();
    if (stage_ != Stage::stepping) stage_ = Stage::taken;
  }
  caretaker_->nudge();
  if (held) give_back();
}

Task::Taken Task::take() {
  if (caretaker_ == nullptr) std::rethrow_exception(error_);
  std::exception_ptr error;
  bool held = false;
  {
    platform::MutexLock lock(caretaker_->mutex_);
    caretaker_->granted_.erase(shared_from_this());
    held = !error_ && !reclaimed_ && holds();
    error = error_;
    if (cancelled_ && (held || reclaimed_)) error = cancelled_error();
    stage_ = error || !reclaimed_ ? Stage::taken : Stage::idle;
    if (std::exchange(reclaimed_, false) && !error) return Taken::again;
  }
  if (!error) return outcome();
  if (held) give_back();
  std::rethrow_exception(error);
}

Sleeper Task::sleeper() {
  const auto wake = [weak = weak_from_this()] {
    const std::shared_ptr<Task> task = weak.lock();
    if (task == nullptr) return;
    task->woken_ = true;
    task->caretaker_->nudge();
  };
  return {.wake = wake,
          .rarely = [caretaker = caretaker_] { return caretaker->rarely_.load(); },
          .may_watch =
              [caretaker = caretaker_](const std::string& session) { return caretaker->may_watch(session); }};
}

/// One at a time for all: a death watch takes a thread a session. Of others' deaths one finds out by looking.
std::shared_ptr<const void> Caretaker::may_watch(const std::string& session) {
  platform::MutexLock lock(mutex_);
  std::shared_ptr<const std::string> watched = watched_.lock();
  if (watched == nullptr) watched_ = watched = std::make_shared<const std::string>(session);
  return *watched == session ? watched : nullptr;
}

void Caretaker::nudge() noexcept {
  std::shared_ptr<detail::CacheState> asleep;
  {
    platform::MutexLock lock(mutex_);
    asleep = asleep_;
  }
  changed_.notify_all();
  if (asleep == nullptr) return;
  asleep->store().wake(session_, kAnyHandle);
}

Task::Step Caretaker::step(Task& task, std::chrono::milliseconds patience) noexcept {
  const std::scoped_lock turn(task.turn_);
  try {
    const Task::Step step = task.advance(patience);
    if (step == Task::Step::sleep) task.sleep_ = task.sleep();
    return step;
  } catch (const Cancelled&) {
    // It names the lock that was waited for; the caller may have asked for something else.
    task.error_ = task.stop_.stop_requested() ? task.cancelled_error() : std::current_exception();
  } catch (...) {
    task.error_ = std::current_exception();
  }
  task.leave();
  return Task::Step::over;
}

bool Caretaker::settle(const std::shared_ptr<Task>& task, Task::Step step, std::function<void()>* ready) {
  using Stage = Task::Stage;
  bool waits = step == Task::Step::sleep;
  bool leaves = false;
  bool gives_back = false;
  bool wanted = false;
  {
    platform::MutexLock lock(mutex_);
    bool holds = !waits && !task->error_ && task->holds();
    if (waits && (task->cancelled_ || task->dropped_)) {
      waits = false;
      leaves = true;
      task->error_ = task->cancelled_error();
    }
    task->stage_ = task->dropped_ ? Stage::taken : waits ? Stage::waiting : Stage::over;
    if (task->dropped_) gives_back = std::exchange(holds, false);
    try {
      if (waits || holds) ensure_thread();
      if (waits) waiting_.insert(task);
      if (holds) granted_.insert(task);
    } catch (...) {
      // There can be no thread. What is held is not waited for: it is only kept from being given back.
      if (std::exchange(waits, false)) {
        leaves = true;
        task->stage_ = Stage::over;
        task->error_ = std::current_exception();
      }
    }
    task->reclaim_at_ = Clock::now() + kDelivery;
    wanted = waits || (holds && wakes_at_ > task->reclaim_at_);
    if (!waits) ready->swap(task->ready_);
  }
  if (leaves) task->leave();
  if (gives_back) task->give_back();
  if (wanted) nudge();
  return !waits;
}

void Caretaker::ensure_thread() {
  if (running_) return;
  platform::start_thread([self = shared_from_this()] { self->run(); }).detach();
  running_ = true;
}

void Caretaker::run() noexcept {
  auto idle_since = Clock::now();
  for (;;) {
    std::shared_ptr<detail::CacheState> state;
    {
      platform::MutexLock lock(mutex_);
      if (!waiting_.empty()) state = (*waiting_.begin())->state_;
      rarely_ = static_cast<int>(1 + waiting_.size() / kManyLooks);
    }
    // Before the look at what is slept on.
    const std::optional<std::uint32_t> word = state != nullptr ? word_of(*state, kAnyHandle) : std::nullopt;
    Tasks due;
    Tasks late;
    Tasks leaving;
    {
      platform::MutexLock lock(mutex_);
      const auto now = Clock::now();
      auto until = Clock::time_point::max();
      leaving.swap(leaving_);
      for (const std::shared_ptr<Task>& task : granted_) {
        if (task->reclaim_at_ <= now) late.push_back(task);
        until = std::min(until, task->reclaim_at_);
      }
      for (const std::shared_ptr<Task>& task : waiting_) {
        const Sleep& sleep = task->sleep_;
        const bool moved = sleep.seen && word_of(*task->state_, task->agent()) != sleep.seen;
        if (task->woken_.exchange(false) || moved || sleep.until <= now) due.push_back(task);
        until = std::min(until, sleep.until);
      }
      for (const std::shared_ptr<Task>& task : late) {
        granted_.erase(task);
        task->reclaimed_ = true;
      }
      if (due.empty() && late.empty() && leaving.empty()) {
        const bool idle = waiting_.empty() && granted_.empty();
        if (!idle) idle_since = now;
        if (idle && now - idle_since >= kLinger) {
          running_ = false;
          return;
        }
        sleep_until(idle ? idle_since + kLinger : until, state, word);
        continue;
      }
    }
    for (const std::shared_ptr<Task>& task : leaving) {
      const std::scoped_lock turn(task->turn_);
      task->leave();
    }
    for (const std::shared_ptr<Task>& task : late) {
      const std::scoped_lock turn(task->turn_);
      task->give_back();
    }
    for (const std::shared_ptr<Task>& task : due) {
      std::function<void()> ready;
      {
        // Until then it can be cancelled without waiting for the steps of others.
        platform::MutexLock lock(mutex_);
        if (waiting_.erase(task) == 0) continue;
        task->stage_ = Task::Stage::stepping;
      }
      if (settle(task, step(*task, kStepPatience), &ready) && ready) ready();
    }
  }
}

void Caretaker::sleep_until(Clock::time_point until, const std::shared_ptr<detail::CacheState>& state,
                            std::optional<std::uint32_t> word) {
  if (waiting_.empty() || !word) {
    wakes_at_ = until;
    if (until == Clock::time_point::max()) {
      changed_.wait(mutex_);
    } else {
      changed_.wait_until(mutex_, until);
    }
  } else {
    until = std::min<Clock::time_point>(until, Clock::now() + kLongestNap);
    wakes_at_ = until;
    asleep_ = state;
    mutex_.unlock();
    state->store().sleep(kAnyHandle, *word, until);
    mutex_.lock();
    asleep_.reset();
  }
  wakes_at_ = {};
}

namespace {

class FailedTask final : public Task {
 public:
  FailedTask(std::shared_ptr<detail::CacheState> state, std::exception_ptr error)
      : Task(std::move(state)), failed_(std::move(error)) {}

 private:
  Step advance(std::chrono::milliseconds /*patience*/) override { std::rethrow_exception(failed_); }
  [[nodiscard]] Sleep sleep() const override { return {}; }
  [[nodiscard]] std::uint64_t agent() const override { return 0; }
  [[nodiscard]] bool holds() const override { return false; }
  void give_back() noexcept override {}
  void leave() noexcept override {}
  [[nodiscard]] std::string name() const override { return "the call"; }
  [[nodiscard]] Taken outcome() const override { return Taken::no; }

  const std::exception_ptr failed_;
};

}  // namespace

std::shared_ptr<Task> failed_task(std::shared_ptr<detail::CacheState> state, std::exception_ptr error) {
  return std::make_shared<FailedTask>(std::move(state), std::move(error));
}

}  // namespace dcache::locking
