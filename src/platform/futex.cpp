// SPDX-License-Identifier: Apache-2.0
#include "platform/futex.hpp"

#include <algorithm>

#include "platform/clock.hpp"

#if defined(__linux__) && !defined(DCACHE_NO_FUTEX)
#define DCACHE_HAS_FUTEX 1
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>
#endif

namespace dcache::platform::futex {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::nanoseconds kSlice = std::chrono::milliseconds(1);

void sleep_a_slice(Clock::time_point deadline) noexcept {
  // First compared: the difference to the clock's end may not fit.
  const Clock::time_point now = Clock::now();
  if (deadline > now) sleep_for(deadline > now + kSlice ? kSlice : deadline - now);
}

}  // namespace

#ifdef DCACHE_HAS_FUTEX

namespace {

#ifndef SYS_futex  // 32-bit systems that never had a 32-bit clock
constexpr long kFutex = SYS_futex_time64;
#elif defined(SYS_futex_time64)
constexpr long kFutex = sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex;
#else
constexpr long kFutex = SYS_futex;
#endif

}  // namespace

void wait(const Word& word, std::uint32_t seen, Clock::time_point deadline, std::uint32_t bits) noexcept {
  timespec until{};
  const bool ends = deadline != Clock::time_point::max();
  if (ends) {
    const auto ns = std::max(deadline.time_since_epoch(), Clock::duration::zero());
    until.tv_sec = static_cast<time_t>(ns / std::chrono::seconds(1));
    until.tv_nsec = static_cast<long>((ns % std::chrono::seconds(1)).count());
  }
  // FUTEX_WAIT_BITSET takes a moment of the monotonic clock where FUTEX_WAIT would take a duration.
  const long result =
      ::syscall(kFutex, &word, FUTEX_WAIT_BITSET, seen, ends ? &until : nullptr, nullptr, bits);
  if (result == 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT) return;
  sleep_a_slice(deadline);  // the call is forbidden here: callers must not spin
}

void wake(Word& word, std::uint32_t bits) noexcept {
  ::syscall(kFutex, &word, FUTEX_WAKE_BITSET, INT_MAX, nullptr, nullptr, bits);
}

#else

void wait(const Word& word, std::uint32_t seen, Clock::time_point deadline, std::uint32_t /*bits*/) noexcept {
  while (word.load(std::memory_order_acquire) == seen && Clock::now() < deadline) sleep_a_slice(deadline);
}

void wake(Word& /*word*/, std::uint32_t /*bits*/) noexcept {}

#endif

void wake_all(Word& word) noexcept { wake(word, kAllBits); }

}  // namespace dcache::platform::futex
