// SPDX-License-Identifier: Apache-2.0
//
// Times as arguments: any std::chrono duration or system-clock time point, without surprises at the edges.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

#include "dcache/export.hpp"

namespace dcache {

namespace detail {

[[noreturn]] DCACHE_EXPORT void throw_nan_duration();

/// Nanoseconds of any duration, kept within what an int64 holds; NaN throws.
template <class Rep, class Period>
constexpr std::int64_t saturated_nanoseconds(std::chrono::duration<Rep, Period> d) {
  if constexpr (std::is_floating_point_v<Rep>) {
    if (d.count() != d.count()) throw_nan_duration();
  }
  const auto wide = std::chrono::duration<long double, std::nano>(d).count();
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  if (wide >= static_cast<long double>(most)) return most;
  if (wide <= static_cast<long double>(least)) return least;
  return static_cast<std::int64_t>(wide);
}

}  // namespace detail

/// A length of time, implicitly made from any std::chrono duration, floating ones included. What does not fit
/// 64 bits of nanoseconds (292 years) is cut to the nearest end, and the upper end means `forever`. NaN
/// throws InvalidArgument.
class Duration {
 public:
  constexpr Duration() noexcept = default;

  // NOLINTNEXTLINE(google-explicit-constructor): conversion is the purpose of this class
  template <class Rep, class Period>
  constexpr Duration(std::chrono::duration<Rep, Period> d) : ns_(detail::saturated_nanoseconds(d)) {}

  [[nodiscard]] constexpr std::chrono::nanoseconds nanoseconds() const noexcept {
    return std::chrono::nanoseconds(ns_);
  }
  [[nodiscard]] constexpr bool is_forever() const noexcept {
    return ns_ == std::numeric_limits<std::int64_t>::max();
  }
  friend constexpr auto operator<=>(Duration, Duration) noexcept = default;

 private:
  std::int64_t ns_ = 0;
};

/// No end: a value that does not expire, a wait without a deadline.
inline constexpr Duration forever{std::chrono::nanoseconds::max()};

/// A moment of wall-clock (Unix) time in nanoseconds, implicitly made from any system-clock time point. What
/// does not fit 64 bits (before 1677, after 2262) is cut to the nearest end.
class Timestamp {
 public:
  constexpr Timestamp() noexcept = default;

  // NOLINTNEXTLINE(google-explicit-constructor): conversion is the purpose of this class
  template <class D>
  constexpr Timestamp(std::chrono::time_point<std::chrono::system_clock, D> t)
      : ns_(detail::saturated_nanoseconds(t.time_since_epoch())) {}

  /// From nanoseconds since 1970-01-01 00:00 UTC.
  [[nodiscard]] static constexpr Timestamp from_unix_nanoseconds(std::int64_t ns) noexcept {
    Timestamp t;
    t.ns_ = ns;
    return t;
  }
  [[nodiscard]] constexpr std::int64_t unix_nanoseconds() const noexcept { return ns_; }
  [[nodiscard]] std::chrono::system_clock::time_point time_point() const noexcept {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(ns_)));
  }
  friend constexpr auto operator<=>(Timestamp, Timestamp) noexcept = default;

 private:
  std::int64_t ns_ = 0;
};

}  // namespace dcache
