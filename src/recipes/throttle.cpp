// SPDX-License-Identifier: Apache-2.0
#include "dcache/throttle.hpp"

#include <algorithm>
#include <thread>

#include "dcache/codec.hpp"
#include "dcache/error.hpp"
#include "recipes/names.hpp"

namespace dcache {

namespace {

std::int64_t unix_now() { return Timestamp(std::chrono::system_clock::now()).unix_nanoseconds(); }

/// "12ms" or "300s", not less than it is.
std::string shown(Duration time) {
  using std::chrono::ceil;
  const std::chrono::nanoseconds exact = time.nanoseconds();
  if (exact >= std::chrono::seconds(10)) {
    return std::to_string(ceil<std::chrono::seconds>(exact).count()) + "s";
  }
  return std::to_string(ceil<std::chrono::milliseconds>(exact).count()) + "ms";
}

}  // namespace

Throttle::Throttle(Cache& cache, ByteView key, std::int64_t count, Duration period)
    : cache_(&cache),
      key_(key.view()),
      stored_key_(recipes::derived_key("throttle", key_)),
      count_(count),
      period_(period.nanoseconds().count()) {
  const std::string what = recipes::named("throttle", key_) + ": ";
  if (count < 1) {
    throw InvalidArgument(what + "the count is " + std::to_string(count) + ", and must be at least 1");
  }
  // Half of what a Timestamp can hold, so that sums fit.
  if (period <= Duration() || period > Duration(std::chrono::years(100))) {
    throw InvalidArgument(what + "the period must be longer than 0 and at most 100 years");
  }
  if (period_ / count < 1) {
    throw InvalidArgument(what + "so many in so short a period cannot be told apart; use a longer period");
  }
}

std::int64_t Throttle::cost_of(std::int64_t tokens) const {
  if (tokens < 1 || tokens > count_) {
    throw InvalidArgument(recipes::named("throttle", key_) + ": " + std::to_string(tokens) +
                          " tokens can never be had; ask for 1 to " + std::to_string(count_));
  }
  // Each is a little cheaper than exact, so that all of them together are not more than the period.
  return period_ / count_ * tokens;
}

/// When the bucket is full again; `now` if it is.
std::int64_t Throttle::full_at(std::int64_t now) const {
  std::optional<std::string> stored = cache_->get(stored_key_);
  if (!stored) return now;
  const auto full = detail::decode<std::int64_t>(stored_key_, *std::move(stored));
  // A bucket that is emptier than empty was written before the clock was set back.
  return std::clamp(full, now, now + period_);
}

/// Takes them, or says how long until they are there.
Duration Throttle::take(std::int64_t tokens) {
  const std::int64_t cost = cost_of(tokens);
  return cache_->transact([&](Transaction& transaction) -> Duration {
    const std::int64_t now = unix_now();
    const std::int64_t full = full_at(now) + cost;
    if (full > now + period_) return std::chrono::nanoseconds(full - now - period_);
    transaction.set(stored_key_, ByteView(std::to_string(full)).as(Format::integer),
                    {.expire_at = Timestamp::from_unix_nanoseconds(full)});
    return {};
  });
}

Duration Throttle::wait_time(std::int64_t tokens) const {
  const std::int64_t cost = cost_of(tokens);
  const std::int64_t now = unix_now();
  return std::chrono::nanoseconds(std::max<std::int64_t>(full_at(now) + cost - now - period_, 0));
}

/// Waits and takes them; otherwise says how long until they are there.
Duration Throttle::take_within(Duration limit, std::int64_t tokens) {
  const recipes::Countdown left(limit);
  for (;;) {
    // A look first: most who wait together find that another one was faster.
    Duration wait = wait_time(tokens);
    if (wait <= Duration()) wait = take(tokens);
    if (wait <= Duration() || wait > left.left()) return wait;
    std::this_thread::sleep_for(wait.nanoseconds());
  }
}

bool Throttle::try_acquire_for(Duration limit, std::int64_t tokens) {
  return take_within(limit, tokens) <= Duration();
}

void Throttle::acquire(Duration limit, std::int64_t tokens) {
  const Duration wait = take_within(limit, tokens);
  if (wait <= Duration()) return;
  throw Timeout(recipes::named("throttle", key_) + ": at most " + std::to_string(count_) + " in " +
                shown(std::chrono::nanoseconds(period_)) + ", and there is room in " + shown(wait) +
                "; allow a longer wait");
}

}  // namespace dcache
