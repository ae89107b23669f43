// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cache/state.hpp"
#include "dcache/error.hpp"

namespace dcache::recipes {

/// Tells of something damaged that was passed over. Not inside a transaction, where an error callback, which
/// may use the cache, must not run.
inline void tell_damage(const detail::CacheState& state, const Corrupt& error) {
  if (!state.store().in_transaction()) state.report(error);
}

}  // namespace dcache::recipes
