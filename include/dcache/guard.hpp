// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <functional>
#include <mutex>
#include <string>

#include "dcache/export.hpp"

namespace dcache {

/// A condition on a write: that a lock is still held when the write is committed. It is evaluated inside the
/// write's own transaction, so a holder that was stopped, outlived its lease or was cleared cannot write over
/// its successor's work (a fenced write: Kleppmann, "How to do distributed locking", 2016; Burrows, "The
/// Chubby lock service", 2006).
///
/// It is a snapshot, made from a lock: `cache.set(key, value, {.guard = lock})`. A write whose guard does not
/// hold throws LockLost and changes nothing; a guard of another cache is InvalidArgument. One made from a
/// lock that is not held never holds.
class DCACHE_EXPORT Guard {
 public:
  /// From a lock: SyncLock or SyncRLock.
  template <class Lock>
  requires requires(const Lock& lock) {
    { lock.guard() } -> std::same_as<Guard>;
  }
  Guard(const Lock& lock) : Guard(lock.guard()) {}  // NOLINT(google-explicit-constructor): {.guard = lock}

  template <class Lock>
  requires requires(const Lock& lock) {
    { lock.guard() } -> std::same_as<Guard>;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): likewise
  Guard(const std::unique_lock<Lock>& lock)
      : Guard(lock.mutex() != nullptr ? lock.mutex()->guard() : Guard({}, {}, {})) {
    if (!lock.owns_lock()) holds_ = nullptr;
  }

  /// For kinds of locks: the cache's uuid, the lock's key, and what tells from the lock's record (null =
  /// there is none) whether it is held. Without that it never holds.
  Guard(std::string cache, std::string key, std::function<bool(const std::string* record)> holds);

  [[nodiscard]] const std::string& cache() const noexcept { return cache_; }
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  [[nodiscard]] bool holds(const std::string* record) const { return holds_ && holds_(record); }

 private:
  std::string cache_;
  std::string key_;
  std::function<bool(const std::string*)> holds_;
};

}  // namespace dcache
