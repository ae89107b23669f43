// SPDX-License-Identifier: Apache-2.0
//
// Several locks at once, all or none.
//
//   auto both = dcache::lock_all(cache, {"account:1", "account:2"});
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "dcache/lock.hpp"

namespace dcache {

/// Locks that are held together, and given back together when it goes.
class DCACHE_EXPORT LockedAll {
 public:
  LockedAll(LockedAll&&) noexcept = default;
  LockedAll& operator=(LockedAll&& other) noexcept;
  LockedAll(const LockedAll&) = delete;
  LockedAll& operator=(const LockedAll&) = delete;
  ~LockedAll();

  /// Gives all of them back, the last one first. As SyncLock::unlock it is no error if one was lost.
  void unlock();

  /// Whether all are still held. Looked up, not remembered.
  [[nodiscard]] bool owned() const;

  /// The locks, in the order of their keys. Each can guard a value.
  [[nodiscard]] std::span<SyncLock> locks() noexcept { return locks_; }

 private:
  friend class LockingAll;
  explicit LockedAll(std::vector<SyncLock> locks) : locks_(std::move(locks)) {}

  std::vector<SyncLock> locks_;
};

/// Waits until the locks of all keys are held, at most `options.timeout` for all together; a key that is
/// named twice counts once. They are taken in the order of their keys, so that any number of callers of this,
/// with whatever keys, never wait for each other in a circle. Throws as SyncLock::lock; then none is held.
[[nodiscard]] DCACHE_EXPORT LockedAll lock_all(Cache& cache, std::span<const ByteView> keys,
                                               const LockOptions& options = {});
[[nodiscard]] inline LockedAll lock_all(Cache& cache, std::initializer_list<ByteView> keys,
                                        const LockOptions& options = {}) {
  return lock_all(cache, std::span(keys.begin(), keys.size()), options);
}

/// As `lock_all` without waiting: nothing if one of them is not free.
[[nodiscard]] DCACHE_EXPORT std::optional<LockedAll> try_lock_all(Cache& cache,
                                                                  std::span<const ByteView> keys,
                                                                  const LockOptions& options = {});
[[nodiscard]] inline std::optional<LockedAll> try_lock_all(Cache& cache, std::initializer_list<ByteView> keys,
                                                           const LockOptions& options = {}) {
  return try_lock_all(cache, std::span(keys.begin(), keys.size()), options);
}

}  // namespace dcache
