// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dcache/upkeep.hpp"

namespace dcache::store::sharded {

/// What the `at`th of `count` shards is to tell, as a part of the whole.
/// `whole` must outlive it.
inline OnProgress part_of_progress(const OnProgress& whole, std::size_t at, std::size_t count) {
  if (!whole) return {};
  return [&whole, at, count](std::uint64_t done, std::uint64_t total) {
    // In parts of a million, as shards of different sizes must not make it go backwards.
    constexpr std::uint64_t kWhole = 1'000'000;
    if (total == 0) return whole(0, 0);
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    whole(kWhole * at + static_cast<std::uint64_t>(share * kWhole), kWhole * count);
  };
}

}  // namespace dcache::store::sharded
