// SPDX-License-Identifier: Apache-2.0
#include "platform/clock.hpp"

#include <cerrno>
#include <ctime>

namespace dcache::platform {

namespace {

std::int64_t read_clock(clockid_t clock) noexcept {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Timestamp now() noexcept { return Timestamp::from_unix_nanoseconds(read_clock(CLOCK_REALTIME)); }

std::int64_t boottime_ns() noexcept {
#ifdef CLOCK_BOOTTIME
  return read_clock(CLOCK_BOOTTIME);
#else
  return read_clock(CLOCK_MONOTONIC);
#endif
}

std::int64_t coarse_monotonic_ns() noexcept {
#ifdef CLOCK_MONOTONIC_COARSE
  return read_clock(CLOCK_MONOTONIC_COARSE);
#else
  return read_clock(CLOCK_MONOTONIC);
#endif
}

void sleep_for(Duration duration) noexcept {
  const std::int64_t ns = duration.nanoseconds().count();
  if (ns <= 0) return;
  timespec left{.tv_sec = static_cast<time_t>(ns / 1'000'000'000),
                .tv_nsec = static_cast<long>(ns % 1'000'000'000)};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace dcache::platform
