// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cache/state.hpp"
#include "dcache/lock_log.hpp"

namespace dcache::locking {

/// Adds an event of now, by the calling thread, to the log of the cache. Best effort: never throws, and does
/// nothing inside a transaction.
void log_event(const detail::CacheState& state, LockEvent::Kind kind, std::string_view key,
               std::uint64_t fence, std::string other = {}) noexcept;

}  // namespace dcache::locking
