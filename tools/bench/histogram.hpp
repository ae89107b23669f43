// SPDX-License-Identifier: Apache-2.0
//
// Times, counted in buckets that are 1/64 of a doubling wide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bench {

inline constexpr std::size_t kBucketsEachDoubling = 64;
/// Enough for a day.
inline constexpr std::size_t kBuckets = kBucketsEachDoubling * 42;

[[nodiscard]] std::size_t bucket_of(std::uint64_t ns) noexcept;
[[nodiscard]] std::uint64_t end_of_bucket(std::size_t bucket) noexcept;

/// The time within which such a part (0 to 1) of all that was counted was done; 0 if nothing was.
[[nodiscard]] std::uint64_t quantile_ns(std::span<const std::uint64_t> counts, double part) noexcept;

}  // namespace bench
