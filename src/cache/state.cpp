// SPDX-License-Identifier: Apache-2.0
#include "cache/state.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/fork.hpp"
#include "platform/thread.hpp"
#include "store/deadline.hpp"

namespace dcache::detail {

namespace {

constexpr std::chrono::milliseconds kFirstRetry{20};
constexpr std::chrono::milliseconds kLongestRetry{1000};
constexpr std::chrono::seconds kLongestClose{5};

}  // namespace

CacheState::CacheState(std::filesystem::path directory, Options options, std::unique_ptr<Store> store)
    : directory_(std::move(directory)),
      options_(std::move(options)),
      store_(std::move(store)),
      fork_generation_(platform::fork_generation()) {}

CacheState::~CacheState() {
  if (forked()) {
    forget_retrier();
    return;
  }
  stop_retrying();
  // The process may go on living, and with it what was not given back.
  const Deadline end = store::deadline_after(std::min<Duration>(options_.timeout, kLongestClose));
  for (auto pause = kFirstRetry; retry_kept(), anything_kept_ && std::chrono::steady_clock::now() < end;) {
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestRetry);
  }
}

bool CacheState::forked() const noexcept { return fork_generation_ != platform::fork_generation(); }

Store& CacheState::store() const {
  if (forked()) {
    throw Forked("the cache in '" + escape(directory_.native()) +
                 "' was opened before fork(); open it again in the child");
  }
  return *store_;
}

void CacheState::keep(std::function<bool(CacheState&)> work) {
  platform::MutexLock lock(kept_mutex_);
  kept_.push_back(std::move(work));
  anything_kept_ = true;
  if (retrying_ || stopping_) return;
  try {
    if (retrier_ != nullptr) retrier_->join();
    retrier_ = std::make_unique<std::thread>(platform::start_thread([this] { retry_until_done(); }));
    retrying_ = true;
  } catch (const std::exception&) {
    // Then the next call on a lock tries again.
  }
}

void CacheState::retry_until_done() noexcept {
  for (auto pause = kFirstRetry;; pause = std::min(2 * pause, kLongestRetry)) {
    {
      platform::MutexLock lock(kept_mutex_);
      const auto until = std::chrono::steady_clock::now() + pause;
      while (!stopping_ && stop_.wait_until(kept_mutex_, until) == std::cv_status::no_timeout) {
      }
    }
    retry_kept();
    platform::MutexLock lock(kept_mutex_);
    if (!stopping_ && !kept_.empty()) continue;
    retrying_ = false;
    return;
  }
}

void CacheState::stop_retrying() noexcept {
  std::unique_ptr<std::thread> retrier;
  {
    platform::MutexLock lock(kept_mutex_);
    stopping_ = true;
    retrier = std::move(retrier_);
  }
  stop_.notify_all();
  if (retrier != nullptr) retrier->join();
}

/// In a child, which has neither the thread nor whoever may have had the mutex.
void CacheState::forget_retrier() noexcept {
  if (retrier_ != nullptr) platform::keep_for_parent(std::move(retrier_));
}

void CacheState::retry_kept() noexcept {
  if (!anything_kept_.load(std::memory_order_relaxed)) return;
  std::vector<std::function<bool(CacheState&)>> work;
  {
    platform::MutexLock lock(kept_mutex_);
    work.swap(kept_);
    anything_kept_ = false;
  }
  for (std::function<bool(CacheState&)>& one : work) {
    if (!one(*this)) keep(std::move(one));
  }
}

void CacheState::report(const Error& error) const noexcept {
  if (options_.on_error) options_.on_error(error);
}

}  // namespace dcache::detail
