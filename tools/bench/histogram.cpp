// SPDX-License-Identifier: Apache-2.0
#include "histogram.hpp"

#include <algorithm>
#include <bit>

namespace bench {

std::size_t bucket_of(std::uint64_t ns) noexcept {
  constexpr std::size_t kEach = kBucketsEachDoubling;
  if (ns < kEach) return ns;
  const auto doublings = static_cast<std::size_t>(std::bit_width(ns) - std::bit_width(kEach));
  return std::min(kEach * (doublings + 1) + ((ns >> doublings) & (kEach - 1)), kBuckets - 1);
}

std::uint64_t end_of_bucket(std::size_t bucket) noexcept {
  constexpr std::size_t kEach = kBucketsEachDoubling;
  if (bucket < kEach) return bucket + 1;
  return std::uint64_t{kEach + 1 + bucket % kEach} << (bucket / kEach - 1);
}

std::uint64_t quantile_ns(std::span<const std::uint64_t> counts, double part) noexcept {
  double all = 0;
  for (const std::uint64_t count : counts) all += static_cast<double>(count);
  double seen = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    seen += static_cast<double>(counts[i]);
    if (seen > 0 && seen >= all * part) return end_of_bucket(i);
  }
  return 0;
}

}  // namespace bench
