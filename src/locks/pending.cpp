// SPDX-License-Identifier: Apache-2.0
//
// Getting and giving back a lock without a thread.
#include "dcache/pending.hpp"

#include <optional>
#include <stop_token>
#include <utility>

#include "dcache/error.hpp"
#include "locks/access.hpp"
#include "locks/acquiring.hpp"
#include "locks/task.hpp"

namespace dcache {

namespace locking {

namespace {

class LockTask final : public Task {
 public:
  LockTask(Acquiring lock, std::optional<Duration> limit)
      : Task(lock.state()),
        lock_(std::move(lock)),
        limit_(limit),
        deadline_(deadline_after(std::max(limit.value_or(lock_.timeout()), Duration()))) {}

 private:
  Step advance(std::chrono::milliseconds patience) override {
    if (!lock_.begun()) begin();
    try {
      switch (lock_.advance(patience)) {
        case Acquiring::Step::sleep:
          return Step::sleep;
        case Acquiring::Step::held:
          outcome_ = Taken::yes;
          return Step::over;
        default:
          break;
      }
    } catch (const Timeout&) {
      // The store was busy for all of that time.
      if (!limit_) throw;
    } catch (const Deadlock&) {
      if (!limit_) throw;
    }
    if (!limit_) lock_.throw_failed(lock_.timeout());
    lock_.leave();
    outcome_ = Taken::no;
    return Step::over;
  }

  void begin() {
    sleeper_ = sleeper();
    stop_ = stop();
    if (!on_end_) {
      on_end_.emplace(lock_.end_of_handle(), [weak = weak_from_this()] {
        if (const std::shared_ptr<Task> task = weak.lock()) task->cancel();
      });
    }
    lock_.begin(deadline_, &stop_, &sleeper_);
  }

  [[nodiscard]] Sleep sleep() const override { return lock_.sleep(); }
  [[nodiscard]] std::uint64_t agent() const override { return lock_.agent(); }
  [[nodiscard]] bool holds() const override { return outcome_ == Taken::yes; }
  void give_back() noexcept override { lock_.give_back_unseen(); }
  void leave() noexcept override { lock_.leave(); }
  [[nodiscard]] std::string name() const override { return name_of(lock_.key()); }
  [[nodiscard]] Taken outcome() const override { return outcome_; }

  Sleeper sleeper_;
  std::stop_token stop_;
  Acquiring lock_;
  const std::optional<Duration> limit_;
  const Deadline deadline_;
  Taken outcome_ = Taken::no;
  std::optional<std::stop_callback<std::function<void()>>> on_end_;
};

class UnlockTask final : public Task {
 public:
  explicit UnlockTask(Acquiring lock)
      : Task(lock.state()), lock_(std::move(lock)), end_(deadline_after(state().options().timeout)) {}

 private:
  Step advance(std::chrono::milliseconds patience) override {
    done_ = true;
    try {
      lock_.unlock(std::min<Deadline>(end_, Clock::now() + patience));
      return Step::over;
    } catch (const NotOwner&) {
      throw;
    } catch (const Timeout&) {
      done_ = Clock::now() >= end_;
      if (!done_) return Step::sleep;
    } catch (const Error&) {
      // As below.
    }
    lock_.unlock();  // what cannot be done now is kept, and done later
    return Step::over;
  }

  [[nodiscard]] Sleep sleep() const override { return {.until = Clock::now()}; }
  [[nodiscard]] std::uint64_t agent() const override { return lock_.agent(); }
  [[nodiscard]] bool holds() const override { return false; }
  void give_back() noexcept override {}
  /// Also when nobody is there any more to be told.
  void leave() noexcept override {
    if (!std::exchange(done_, true)) lock_.give_back();
  }
  [[nodiscard]] std::string name() const override { return name_of(lock_.key()); }
  [[nodiscard]] Taken outcome() const override { return Taken::yes; }

  Acquiring lock_;
  const Deadline end_;
  bool done_ = false;
};

/// Errors are told where all others are.
template <class Kind, class... Args>
std::shared_ptr<Task> lock_task(LockHandle& handle, Args... args) {
  try {
    return std::make_shared<Kind>(Acquiring(handle), args...);
  } catch (const Error&) {
    return failed_task(Acquiring::state_of(handle), std::current_exception());
  }
}

}  // namespace

}  // namespace locking

namespace detail {

Pending::Pending(std::shared_ptr<locking::Task> task) noexcept : task_(std::move(task)) {}
Pending::Pending(Pending&&) noexcept = default;
Pending::~Pending() {
  if (task_ != nullptr) task_->drop();
}

Pending Pending::lock(LockHandle& handle, std::optional<Duration> limit) {
  return Pending(locking::lock_task<locking::LockTask>(handle, limit));
}

Pending Pending::unlock(LockHandle& handle) {
  return Pending(locking::lock_task<locking::UnlockTask>(handle));
}

bool Pending::start(std::function<void()> ready) { return task_->start(std::move(ready)); }
void Pending::cancel() noexcept { task_->cancel(); }
void Pending::drop() noexcept { task_->drop(); }

Pending::Taken Pending::take() { return task_->take(); }

}  // namespace detail
}  // namespace dcache
