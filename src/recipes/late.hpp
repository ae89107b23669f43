// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dcache/error.hpp"
#include "dcache/lock.hpp"

namespace dcache::recipes {

/// Runs `write`, which is guarded by `lock`. If the lock's lease is over it may be that nobody else has it:
/// then the lease is begun anew and `write` runs once more. Throws LockLost if somebody has.
template <class Write>
auto write_even_late(SyncLock& lock, Write write) {
  try {
    return write();
  } catch (const LockLost&) {
    if (!lock.options().lease) throw;
    lock.renew();
    return write();
  }
}

}  // namespace dcache::recipes
