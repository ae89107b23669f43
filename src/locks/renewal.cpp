// SPDX-License-Identifier: Apache-2.0
#include "locks/renewal.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "dcache/error.hpp"
#include "locks/access.hpp"
#include "locks/log.hpp"
#include "platform/fork.hpp"
#include "platform/thread.hpp"

namespace dcache::locking {

/// The thread, and what it is to do when.
class Renewer {
 public:
  /// Of this process: a forked child has its own, and forgets its parent's.
  static Renewer& of_process() {
    platform::MutexLock lock(platform::registry_mutex());
    static Renewer* renewer = nullptr;
    static std::uint64_t generation = 0;
    if (renewer == nullptr || generation != platform::fork_generation()) {
      renewer = new Renewer;
      generation = platform::fork_generation();
    }
    return *renewer;
  }

  void add(const std::shared_ptr<Renewal>& renewal, Renewal::Clock::time_point when) {
    platform::MutexLock lock(mutex_);
    if (!running_) {
      platform::start_thread([this] { run(); }).detach();  // which is never destroyed itself
      running_ = true;
    }
    due_.push_back({when, renewal});
    changed_.notify_all();
  }

 private:
  struct Due {
    Renewal::Clock::time_point when;
    std::weak_ptr<Renewal> renewal;
  };

  /// Without anything to do it stays for a moment: locks are often taken again.
  static constexpr auto kLinger = std::chrono::milliseconds(100);

  void run() noexcept {
    bool lingered = false;
    for (;;) {
      std::shared_ptr<Renewal> next;
      {
        platform::MutexLock lock(mutex_);
        std::erase_if(due_, [](const Due& one) { return one.renewal.expired(); });
        if (due_.empty()) {
          if (std::exchange(lingered, true)) {
            running_ = false;
            return;
          }
          changed_.wait_until(mutex_, Renewal::Clock::now() + kLinger);
          continue;
        }
        lingered = false;
        const auto first = std::min_element(due_.begin(), due_.end(),
                                            [](const Due& a, const Due& b) { return a.when < b.when; });
        if (first->when > Renewal::Clock::now()) {
          changed_.wait_until(mutex_, first->when);
          continue;
        }
        next = first->renewal.lock();
        due_.erase(first);
      }
      const auto again = next != nullptr ? next->work() : std::nullopt;
      if (!again) continue;
      platform::MutexLock lock(mutex_);
      due_.push_back({*again, next});
    }
  }

  platform::Mutex mutex_;
  platform::Condition changed_;
  std::vector<Due> due_ DCACHE_GUARDED_BY(mutex_);
  bool running_ DCACHE_GUARDED_BY(mutex_) = false;
};

Renewal::Renewal(RenewedGrant grant)
    : grant_(std::move(grant)), end_(Clock::now() + grant_.lease.nanoseconds()) {}

std::shared_ptr<Renewal> Renewal::start(RenewedGrant grant) {
  auto renewal = std::make_shared<Renewal>(std::move(grant));
  Renewer::of_process().add(renewal, Clock::now() + renewal->grant_.lease.nanoseconds() / 3);
  return renewal;
}

/// Whether there is still a grant that could be renewed.
bool Renewal::renew() {
  const std::shared_ptr<detail::CacheState> state = grant_.state.lock();
  if (state == nullptr || state->forked()) {
    ended_ = true;
    return false;
  }
  Store& store = store_for(*state, grant_.key);
  const Changed changed = renew_grant(store, *state, grant_.key, grant_.who, grant_.fence, grant_.lease,
                                      Clock::now() + grant_.lease.nanoseconds() / 10);
  const Hold* const hold = find_hold(changed.result.record, grant_.who);
  if (changed.result.outcome != Outcome::renewed || hold == nullptr) return false;
  const std::int64_t left = *hold->lease - lease_clock_us(hold->keep);
  end_ = Clock::now() + std::chrono::microseconds(left);
  last_ = hold->most && *hold->most <= *hold->lease;
  return true;
}

void Renewal::give_up() noexcept {
  lost_ = ended_ = true;
  try {
    if (grant_.on_lost) grant_.on_lost(grant_.key, grant_.fence);
  } catch (const std::exception&) {
    // It must not, and there is nobody to tell.
  }
  const std::shared_ptr<detail::CacheState> state = grant_.state.lock();
  if (state != nullptr && !state->forked()) {
    state->store().count(LockCounter::lost, 1);
    log_event(*state, LockEvent::Kind::lost, grant_.key, grant_.fence);
  }
}

std::optional<Renewal::Clock::time_point> Renewal::work() noexcept {
  const std::chrono::nanoseconds lease = grant_.lease.nanoseconds();
  const std::scoped_lock turn(turn_);
  if (ended_) return std::nullopt;
  bool there = true;
  bool renewed = false;
  try {
    if (!last_) there = renewed = renew();
  } catch (const std::exception&) {
    // Not now; while there is time it is tried again.
  }
  if (ended_) return std::nullopt;
  const auto notice = end_ - lease / 10;
  if (!there || Clock::now() >= notice) {
    give_up();
    return std::nullopt;
  }
  return last_ ? notice : std::min(notice, Clock::now() + (renewed ? lease / 3 : lease / 20));
}

}  // namespace dcache::locking
