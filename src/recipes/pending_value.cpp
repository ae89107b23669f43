// SPDX-License-Identifier: Apache-2.0
//
// get_or_set for who waits without a thread: the same steps, with a sleep where the other blocks.
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "dcache/error.hpp"
#include "dcache/pending.hpp"
#include "locks/acquiring.hpp"
#include "locks/task.hpp"
#include "recipes/computing.hpp"

namespace dcache {

namespace recipes {

namespace {

/// From one look for the result to the next, of one who has waited so long: at most 5 ms, or a hundredth of
/// it.
std::chrono::nanoseconds pause_after(std::chrono::nanoseconds waited) {
  constexpr std::chrono::nanoseconds kShortest = std::chrono::microseconds(500);
  constexpr std::chrono::nanoseconds kUsual = std::chrono::milliseconds(5);
  constexpr std::chrono::nanoseconds kLongest = std::chrono::milliseconds(250);
  return std::clamp(waited / 16, kShortest, std::clamp(waited / 100, kUsual, kLongest));
}

}  // namespace

class ValueTask final : public locking::Task {
 public:
  ValueTask(const Cache& cache, ByteView key, GetOrSetOptions options)
      : Task(cache.state()),
        cache_(cache.share()),
        key_(key.view()),
        options_(std::move(options)),
        computing_(cache_, key_, options_),
        limit_(options_.timeout) {}

  [[nodiscard]] std::optional<std::string> take_value() { return std::exchange(value_, std::nullopt); }

  [[nodiscard]] std::optional<std::string> compute(const detail::Factory& factory) {
    return told([&] { return computing_.make(factory); });
  }

  void compute_elsewhere() { took_ = Countdown(forever); }

  [[nodiscard]] std::optional<std::string> computed(std::optional<detail::Encoded> made) {
    return told([&]() -> std::optional<std::string> {
      if (!made) return std::nullopt;
      computing_.keep(*made, took_.elapsed());
      return std::move(made->bytes);
    });
  }

 private:
  enum class Phase { look, first, next, queue, watch, retry, held };

  Step advance(std::chrono::milliseconds patience) override {
    for (;;) {
      const std::optional<Step> step = one_step(patience);
      if (step) return *step;
    }
  }

  /// What `make` returns, made under the lock.
  template <class Make>
  std::optional<std::string> told(Make make) {
    std::optional<std::string> made;
    {
      const std::unique_lock<SyncLock> held(computing_.lock(), std::adopt_lock);
      made = make();
    }
    if (made) computing_.tell();
    return made;
  }

  /// Nothing: go on.
  std::optional<Step> one_step(std::chrono::milliseconds patience) {
    if (phase_ == Phase::look) return look();
    if (phase_ == Phase::watch) return watch();
    if (phase_ == Phase::held) return held();
    const locking::Acquiring::Step step = getting_->advance(patience);
    if (step == locking::Acquiring::Step::sleep) {
      sleep_ = getting_->sleep();
      return Step::sleep;
    }
    return step == locking::Acquiring::Step::held ? got_it() : not_to_be_had();
  }

  std::optional<Step> look() {
    look_ = computing_.look_up();
    if (look_.usable()) return over_with(std::move(look_.value));
    computing_.refuse_to_wait_for_oneself();
    get(computing_.lock(), Duration(), Phase::first);
    return std::nullopt;
  }

  std::optional<Step> got_it() {
    if (phase_ == Phase::next) {
      get(computing_.lock(), limit_.left(), Phase::queue);
    } else {
      getting_.reset();
      next_.reset();
      phase_ = Phase::held;
    }
    return std::nullopt;
  }

  std::optional<Step> not_to_be_had() {
    switch (phase_) {
      case Phase::first:
        // Who has something to give in the meantime waits for nobody.
        if (look_.value) return over_with(std::move(look_.value));
        next_.emplace(computing_.next());
        get(*next_, Duration(), Phase::next);
        return std::nullopt;
      case Phase::next:
        phase_ = Phase::watch;
        return std::nullopt;
      case Phase::retry:
        return watch_on();
      default:
        getting_->throw_failed(options_.timeout);
    }
  }

  /// As Computing::wait, of all but the first.
  std::optional<Step> watch() {
    ++looks_;
    if (Computing::Look found = computing_.look_up(); found.value) return over_with(std::move(found.value));
    if (computing_.lock().locked()) return watch_on();
    get(computing_.lock(), Duration(), Phase::retry);
    return std::nullopt;
  }

  std::optional<Step> watch_on() {
    computing_.check_tries(looks_);
    const std::chrono::nanoseconds left = limit_.left().nanoseconds();
    if (left <= std::chrono::nanoseconds()) {
      get(computing_.lock(), Duration(), Phase::queue);  // names who has it
      return std::nullopt;
    }
    phase_ = Phase::watch;
    sleep_ = {.until = Clock::now() + std::min(left, pause_after(limit_.elapsed()) * sleeper_.rarely())};
    return Step::sleep;
  }

  std::optional<Step> held() {
    std::optional<std::string> done;
    try {
      done = computing_.done_since(look_);
    } catch (...) {
      give_back();
      throw;
    }
    if (!done) {
      computes_ = true;
      return Step::over;
    }
    give_back();
    return over_with(std::move(done));
  }

  Step over_with(std::optional<std::string> value) {
    value_ = std::move(value);
    leave();
    return Step::over;
  }

  void get(SyncLock& lock, Duration limit, Phase phase) {
    getting_.emplace(lock);
    sleeper_ = sleeper();
    stop_ = stop();
    getting_->begin(locking::deadline_after(limit), &stop_, &sleeper_);
    phase_ = phase;
  }

  [[nodiscard]] locking::Sleep sleep() const override { return sleep_; }
  [[nodiscard]] std::uint64_t agent() const override { return getting_ ? getting_->agent() : 0; }
  [[nodiscard]] bool holds() const override { return computes_; }
  /// From here on it can be begun anew.
  void give_back() noexcept override {
    computes_ = false;
    phase_ = Phase::look;
    locking::Acquiring(computing_.lock()).give_back();
  }
  void leave() noexcept override {
    getting_.reset();
    next_.reset();
  }
  [[nodiscard]] std::string name() const override { return named("get_or_set", key_); }
  [[nodiscard]] Taken outcome() const override { return computes_ ? Taken::no : Taken::yes; }

  Cache cache_;
  const std::string key_;
  const GetOrSetOptions options_;
  Computing computing_;
  const Countdown limit_;
  Countdown took_{forever};
  Phase phase_ = Phase::look;
  Computing::Look look_;
  std::uint64_t looks_ = 0;
  locking::Sleeper sleeper_;
  std::stop_token stop_;
  std::optional<SyncLock> next_;
  std::optional<locking::Acquiring> getting_;  ///< before the locks that it is of
  locking::Sleep sleep_;
  bool computes_ = false;
  std::optional<std::string> value_;
};

namespace {

std::shared_ptr<locking::Task> new_task(const Cache& cache, ByteView key, GetOrSetOptions options) {
  try {
    check(key, options);
    return std::make_shared<ValueTask>(cache, key, std::move(options));
  } catch (const Error&) {
    return locking::failed_task(cache.state(), std::current_exception());
  }
}

ValueTask& of_value(locking::Task& task) { return static_cast<ValueTask&>(task); }

}  // namespace

}  // namespace recipes

namespace detail {

PendingValue::PendingValue(const Cache& cache, ByteView key, GetOrSetOptions options)
    : Pending(recipes::new_task(cache, key, std::move(options))) {}

std::optional<std::string> PendingValue::found() { return recipes::of_value(task()).take_value(); }

std::optional<std::string> PendingValue::compute(const Factory& factory) {
  return recipes::of_value(task()).compute(factory);
}

void PendingValue::compute_elsewhere() { recipes::of_value(task()).compute_elsewhere(); }

std::optional<std::string> PendingValue::computed(std::optional<Encoded> made) {
  return recipes::of_value(task()).computed(std::move(made));
}

}  // namespace detail
}  // namespace dcache
