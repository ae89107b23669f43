// SPDX-License-Identifier: Apache-2.0
//
// Threads that wait for each other's locks in a circle. A thread is known by its session and the "pid-tid" in
// the records: a grant counts for the thread that took it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "locks/record.hpp"

namespace dcache::locking {

struct NamedRecord {
  std::string key;
  LockRecord record;
};

/// One who waits for `key`, and who is in its way.
struct Link {
  std::string key;
  std::string waiter;         ///< "pid-tid"
  std::uint64_t ticket = 0;   ///< of its place in the queue
  std::string blocker;        ///< "pid-tid": a holder, or one who is served first
  std::uint64_t blocked = 0;  ///< the fence of that grant, or the ticket of that place
  friend bool operator==(const Link&, const Link&) = default;
};

/// The circle through the waiter with `ticket`, which comes first, if that is the youngest in it: nothing
/// inside can move unless one of them gives up. Leases end by themselves, so they are in nobody's way; of
/// permits all that are too few must be held inside. At least two threads are in it.
[[nodiscard]] std::vector<Link> find_circle(const std::vector<NamedRecord>& records, std::uint64_t ticket,
                                            const World& world);

/// The circle in words: "'b' is held by 12-12, who waits for 'a', which is held by 11-11".
[[nodiscard]] std::string in_words(const std::vector<Link>& circle);

}  // namespace dcache::locking
