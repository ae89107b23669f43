// SPDX-License-Identifier: Apache-2.0
//
// What get_or_set does, for callers that wait with their thread and for those that do not.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "dcache/get_or_set.hpp"
#include "dcache/lock.hpp"
#include "recipes/names.hpp"

namespace dcache::recipes {

/// Throws InvalidArgument.
void check(ByteView key, const GetOrSetOptions& options);

/// The computation of one key by one caller. What it is made from must outlive it.
class Computing {
 public:
  Computing(Cache& cache, ByteView key, const GetOrSetOptions& options);

  struct Look {
    std::optional<std::string> value;
    Timestamp stored;
    bool stale = false;
    [[nodiscard]] bool usable() const noexcept { return value && !stale; }
  };
  [[nodiscard]] Look look_up() const;
  /// After the lock was got: whether somebody else has just done it. Not whether it is stale, as a die is
  /// cast for that (beta).
  [[nodiscard]] std::optional<std::string> done_since(const Look& before) const;

  /// Throws Deadlock if this thread runs the factory of the same key.
  void refuse_to_wait_for_oneself() const;

  /// Waits on this thread for whoever computes. Returns the result, or nothing when there is none and the
  /// lock is held here.
  [[nodiscard]] std::optional<std::string> wait();
  /// Throws Timeout if that was the last look.
  void check_tries(std::uint64_t tries) const;

  // Under the lock:
  /// Runs the factory on this thread and stores its result.
  [[nodiscard]] std::optional<std::string> make(const detail::Factory& factory);
  /// Stores what took so long to compute.
  void keep(const detail::Encoded& made, std::chrono::nanoseconds took);

  /// Wakes all who wait for the value. To be called when the lock is free again: the first of those who wait
  /// has more to do than the others, and so is to begin before them.
  void tell();

  /// Whose holder computes.
  [[nodiscard]] SyncLock& lock() noexcept { return lock_; }
  /// Whose holder is the first of those who wait.
  [[nodiscard]] SyncLock next() const;

 private:
  [[nodiscard]] bool is_stale(Timestamp expires) const;
  [[nodiscard]] std::string took_key() const;
  [[nodiscard]] std::optional<std::string> watch(SyncLock& first);
  void store(const detail::Encoded& made, std::chrono::nanoseconds took);

  Cache& cache_;
  const std::string key_;
  const GetOrSetOptions& options_;
  SyncLock lock_;
};

}  // namespace dcache::recipes
