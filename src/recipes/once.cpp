// SPDX-License-Identifier: Apache-2.0
#include "dcache/once.hpp"

#include "dcache/error.hpp"
#include "recipes/names.hpp"

namespace dcache {

namespace {

/// A kept lock needs an end; nobody waits for this one.
constexpr Duration kAlways = std::chrono::years(100);

std::string done_key(ByteView key) { return recipes::derived_key("once", key.view()); }

}  // namespace

detail::Turn::Turn(Cache& cache, ByteView key, Duration period, const OnceOptions& options, Wait wait)
    : cache_(cache),
      period_(std::min(period, kAlways)),
      options_(options),
      done_(cache, done_key(key), {.label = options.label}),
      running_(cache, recipes::derived_key("once-running", key.view()),
               {.timeout = options.timeout, .lease = options.max_hold, .label = options.label}) {
  if (period <= Duration()) {
    throw InvalidArgument(recipes::named("once_per", key.view()) + ": the period must be longer than 0");
  }
  if (done_.locked()) return;
  if (wait == Wait::no) {
    if (!running_.try_lock()) return;
  } else {
    running_.lock();
  }
  start_ = std::chrono::steady_clock::now();
  // Whoever was waited for may have done it.
  mine_ = !done_.locked();
  if (!mine_) running_.unlock();
}

void detail::Turn::done() {
  const Duration left = period_.nanoseconds() - (std::chrono::steady_clock::now() - start_);
  bool lost = !running_.owned();
  if (!lost && left > Duration()) {
    SyncLock mark(cache_, done_.key(), {.lease = left, .label = options_.label, .keep = true});
    lost = !mark.try_lock();
    if (!lost) mark.unlock();  // it is kept
  }
  running_.unlock();
  if (lost) {
    throw LockLost(
        "'" + escape(done_.key(), 200) +
        "': the lock was lost while the function ran: it took longer than max_hold, or somebody cleared it");
  }
}

bool forget_once(Cache& cache, ByteView key) {
  const std::string name = done_key(key);
  const std::optional<Holder> holder = SyncLock(cache, name).holder();
  return holder && clear_lock(cache, name, {.fence = holder->fence, .force = true}) == Cleared::cleared;
}

}  // namespace dcache
