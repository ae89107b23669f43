// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dcache/duration.hpp"

namespace dcache::platform {

/// Wall-clock time: when values expire and what people are shown.
Timestamp now() noexcept;

/// Nanoseconds since boot, suspended time included, the same in all processes: what leases are counted in.
std::int64_t boottime_ns() noexcept;

/// Nanoseconds of the monotonic clock to within some milliseconds, for next to nothing.
std::int64_t coarse_monotonic_ns() noexcept;

/// Sleeps; signals do not cut it short.
void sleep_for(Duration duration) noexcept;

}  // namespace dcache::platform
