// SPDX-License-Identifier: Apache-2.0
#include "dcache/lock_all.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "dcache/error.hpp"
#include "store/deadline.hpp"

namespace dcache {

/// Takes locks one after another; what it has taken it gives back if it does not come to the end.
class LockingAll {
 public:
  LockingAll(Cache& cache, std::span<const ByteView> keys, const LockOptions& options) {
    if (keys.empty()) throw InvalidArgument("lock_all needs at least one key");
    std::vector<std::string> names;
    names.reserve(keys.size());
    for (const ByteView& key : keys) names.emplace_back(key.view());
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    locks_.reserve(names.size());
    for (const std::string& name : names) locks_.emplace_back(cache, name, options);
  }

  /// Whether all are held by then.
  [[nodiscard]] bool take(Deadline deadline) {
    using std::chrono::steady_clock;
    for (SyncLock& lock : locks_) {
      const Duration left = deadline == kNoDeadline ? forever : Duration(deadline - steady_clock::now());
      if (!lock.try_lock_for(left)) return false;
    }
    return true;
  }

  [[nodiscard]] LockedAll taken() && { return LockedAll(std::move(locks_)); }

  /// The first that is not held.
  [[nodiscard]] SyncLock& missing() {
    return *std::find_if(locks_.begin(), locks_.end(), [](const SyncLock& lock) { return !lock.owned(); });
  }

 private:
  std::vector<SyncLock> locks_;
};

LockedAll& LockedAll::operator=(LockedAll&& other) noexcept {
  if (this != &other) {
    while (!locks_.empty()) locks_.pop_back();
    locks_ = std::move(other.locks_);
  }
  return *this;
}

LockedAll::~LockedAll() {
  while (!locks_.empty()) locks_.pop_back();
}

void LockedAll::unlock() {
  for (auto lock = locks_.rbegin(); lock != locks_.rend(); ++lock) lock->unlock();
}

bool LockedAll::owned() const {
  return std::all_of(locks_.begin(), locks_.end(), [](const SyncLock& lock) { return lock.owned(); });
}

LockedAll lock_all(Cache& cache, std::span<const ByteView> keys, const LockOptions& options) {
  LockingAll all(cache, keys, options);
  if (!all.take(store::deadline_after(options.timeout))) {
    throw Timeout("not all of " + std::to_string(keys.size()) + " locks were to be had in time; lock '" +
                  escape(all.missing().key(), 200) + "' was missing");
  }
  return std::move(all).taken();
}

std::optional<LockedAll> try_lock_all(Cache& cache, std::span<const ByteView> keys,
                                      const LockOptions& options) {
  LockingAll all(cache, keys, options);
  if (!all.take(store::deadline_after(Duration()))) return std::nullopt;
  return std::move(all).taken();
}

}  // namespace dcache
