// SPDX-License-Identifier: Apache-2.0
#include "locks/waiting.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <thread>

#include "platform/clock.hpp"

namespace dcache::locking {

namespace {

/// Looks at the record, about a microsecond each, before the first sleep: most locks are held shortly.
constexpr int kSpins = 20;

/// A sleep is cut in pieces, so that a stop request is seen in time.
constexpr std::chrono::nanoseconds kLongestSleep = std::chrono::milliseconds(20);

constexpr std::chrono::nanoseconds kFirstSlice = std::chrono::milliseconds(50);
constexpr std::chrono::nanoseconds kOutsideSlice = std::chrono::milliseconds(500);
constexpr int kLongestSlice = 4;  ///< in first ones
constexpr int kFarthestSlice = 200;

std::chrono::nanoseconds up_to(std::chrono::nanoseconds most) {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::chrono::nanoseconds(std::uniform_int_distribution<std::int64_t>(0, most.count())(random));
}

}  // namespace

std::chrono::nanoseconds Pause::next() {
  if (++pauses_ <= kSpins) return std::chrono::nanoseconds(0);
  const int doublings = std::min(pauses_ - kSpins - 1, 40);
  const auto cap = backoff_.cap.nanoseconds();
  std::chrono::nanoseconds full = backoff_.base.nanoseconds();
  for (int i = 0; i < doublings && full < cap; ++i) full *= 2;
  full = std::min(full, cap);
  return full / 2 + up_to(full / 2);
}

Pause::Ended Pause::wait() {
  using std::chrono::nanoseconds;
  using std::chrono::steady_clock;
  nanoseconds left = next();
  if (left == nanoseconds(0)) std::this_thread::yield();
  for (;;) {
    if (stop_ != nullptr && stop_->stop_requested()) return Ended::stopped;
    const auto now = steady_clock::now();
    if (deadline_ != kNoDeadline && now >= deadline_) return Ended::deadline;
    if (left <= nanoseconds(0)) return Ended::waited;
    nanoseconds piece = std::min(left, kLongestSleep);
    if (deadline_ != kNoDeadline) piece = std::min<nanoseconds>(piece, deadline_ - now);
    platform::sleep_for(piece);
    left -= piece;
  }
}

Deadline end_of_slice(int slept, std::size_t ahead) {
  const auto now = std::chrono::steady_clock::now();
  // Not all at the same time, and never more than twenty times a second.
  if (ahead <= 1) return now + kFirstSlice + up_to(kFirstSlice / 50);
  // A look costs more in a long queue, and those far behind have the less to look for.
  const auto far = static_cast<int>(std::min<std::size_t>(ahead / 4, kFarthestSlice));
  return now + kFirstSlice * std::max(far, std::min(slept + 1, kLongestSlice)) + up_to(kFirstSlice);
}

Deadline end_of_slice_outside(int slept) {
  const auto slice = std::min<std::chrono::nanoseconds>(kFirstSlice * (1 + slept), kOutsideSlice);
  return std::chrono::steady_clock::now() + slice + up_to(slice / 2);
}

std::string seconds_text(Duration duration) {
  if (duration.is_forever()) return "forever";
  const double seconds = std::chrono::duration<double>(duration.nanoseconds()).count();
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), seconds < 10 ? "%.2f" : "%.0f", seconds);
  return text.data();
}

}  // namespace dcache::locking
