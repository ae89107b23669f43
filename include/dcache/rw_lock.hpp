// SPDX-License-Identifier: Apache-2.0
//
// A lock that many may hold to read, or one to write.
//
//   dcache::SyncRWLock lock{cache, "index"};
//   { std::shared_lock reading{lock}; look_up(); }
//   { std::unique_lock writing{lock}; build_index(); }
#pragma once

#include <shared_mutex>  // std::shared_lock

#include "dcache/lock.hpp"

namespace dcache {

/// A read-write lock that belongs to threads, as std::shared_timed_mutex does: what a thread got it gives
/// back, through the same handle. Readers hold it together, a writer alone. Who has waited for 2 ms is not
/// overtaken any more, reader or writer, so that neither starves; a reader may lock shared again all the
/// same. A reader that calls `lock` would wait for itself: Deadlock. On the same key a SyncLock or SyncRLock
/// is a writer.
///
/// All that LockHandle has is about the grant of the calling thread, shared or not.
class DCACHE_EXPORT SyncRWLock : public LockHandle {
 public:
  SyncRWLock(Cache& cache, ByteView key, LockOptions options = {});

  /// Waits until the lock is held shared, at most `LockOptions::timeout`. Throws as `lock`.
  void lock_shared() { wait(nullptr, LockMode::shared, 1); }

  /// As `lock_shared()`, and throws Cancelled within 50 ms when `stop` is requested.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): as `lock` takes it
  void lock_shared(std::stop_token stop) { wait(&stop, LockMode::shared, 1); }

  [[nodiscard]] bool try_lock_shared() { return try_lock_shared_for(Duration()); }
  [[nodiscard]] bool try_lock_shared_for(Duration limit) { return try_for(limit, LockMode::shared, 1); }
  template <class Clock, class D>
  [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<Clock, D> deadline) {
    return try_lock_shared_for(until(deadline));
  }

  /// The same as `unlock`.
  void unlock_shared() { unlock(); }

  /// Makes the shared grant of this thread exclusive, without letting go in between: nobody else writes
  /// before it. Waits for the other readers at most `LockOptions::timeout`; no new ones join meanwhile. The
  /// grant gets a new fence. On failure it is shared as before.
  /// Throws Timeout, Deadlock at once if another reader wants the same (each would wait for the other: let go
  /// and take the lock anew), LockLost, and NotOwner if this thread holds nothing.
  void upgrade();

  /// As `upgrade`, and says whether it is exclusive now; false also where `upgrade` would throw Timeout or
  /// Deadlock.
  [[nodiscard]] bool try_upgrade() { return try_upgrade_for(Duration()); }
  [[nodiscard]] bool try_upgrade_for(Duration limit);

  /// Makes the exclusive grant of this thread a shared one: readers may come in, and no writer in between.
  /// Throws LockLost, and NotOwner if this thread holds nothing.
  void downgrade();
};

}  // namespace dcache
