// SPDX-License-Identifier: Apache-2.0
//
// Numbers that many processes add to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dcache/cache.hpp"
#include "dcache/export.hpp"

namespace dcache {

/// The mean of all numbers that were added under a key. Stored there as JSON, `[sum,count]`, as any value
/// is: it can be listed, expires if told to and goes with `clear` and a size limit. The cache must outlive
/// it.
class DCACHE_EXPORT Averager {
 public:
  /// `options` are those of the value, set anew with each `add`.
  Averager(Cache& cache, ByteView key, SetOptions options = {});

  /// Throws InvalidArgument for NaN and infinity, WrongType if another value is stored there.
  void add(double number);
  /// The mean; nothing if no number was added.
  [[nodiscard]] std::optional<double> get() const;
  /// The mean, and begins anew, in one step.
  std::optional<double> pop();

 private:
  Cache* cache_;
  std::string key_;
  SetOptions options_;
};

/// A number that is counted up and down: `Cache::incr` on one key, where it is a value as any other. The
/// cache must outlive it.
class DCACHE_EXPORT Counter {
 public:
  /// `options` are those of the value, given when it is made.
  Counter(Cache& cache, ByteView key, SetOptions options = {});

  /// Adds, and returns the sum. Throws as `Cache::incr`.
  std::int64_t add(std::int64_t number = 1);
  /// 0 if nothing was added. Throws WrongType if another value is stored there.
  [[nodiscard]] std::int64_t get() const;
  /// The number, and begins anew at 0, in one step.
  std::int64_t pop();

 private:
  Cache* cache_;
  std::string key_;
  SetOptions options_;
};

}  // namespace dcache
