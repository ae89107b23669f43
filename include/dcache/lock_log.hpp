// SPDX-License-Identifier: Apache-2.0
//
// What happened to locks that is worth knowing afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/cache.hpp"

namespace dcache {

/// Something that happened to a lock.
struct LockEvent {
  enum class Kind {
    taken_over,  ///< granted after its holder died or its lease ended: `other` is that holder
    lost,        ///< a holder found its grant gone
    cleared,     ///< somebody cleared it by force: `other` had it
    deadlock,    ///< a wait was broken off, as threads waited for each other: `other` tells which
  };
  std::uint64_t number = 0;  ///< counts up
  Timestamp time;
  Kind kind = Kind::taken_over;
  std::string key;
  std::string owner;        ///< "pid-tid" of who did it or found it out
  std::uint64_t fence = 0;  ///< of the grant that is meant; 0 if none
  std::string other = {};   ///< "pid-tid" or a text
};

/// "taken_over", "lost", "cleared" or "deadlock".
[[nodiscard]] DCACHE_EXPORT std::string_view name(LockEvent::Kind kind) noexcept;

/// The newest events, at most 256, oldest first; with `after` only those with a higher number. The log is
/// stored with the cache and is for people: an event that cannot be stored at once is left out.
[[nodiscard]] DCACHE_EXPORT std::vector<LockEvent> lock_events(const Cache& cache, std::uint64_t after = 0);

}  // namespace dcache
