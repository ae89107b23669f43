// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dcache/upkeep.hpp"

namespace dcache::store::sharded {

/// What the `at`th of `count` shards is to tell, as a part of the whole: as if all were of the same size.
/// `whole` must outlive it.
inline OnProgress part_of_progress(const OnProgress& whole, std::size_t at, std::size_t count) {
  if (!whole) return {};
  return [&whole, at, count](std::uint64_t done, std::uint64_t total) {
    whole(total * at + done, total * count);
  };
}

}  // namespace dcache::store::sharded
