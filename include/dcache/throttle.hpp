// SPDX-License-Identifier: Apache-2.0
//
// At most so many times in a while, in all processes together.
//
//   dcache::Throttle calls{cache, "api", 10, 1s};    // ten a second
//   calls.acquire();
//   call_api();
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "dcache/cache.hpp"
#include "dcache/export.hpp"

namespace dcache {

/// A token bucket: it holds `count` tokens, and one comes back every period / count. So a burst may use all
/// of them, and over a long time there are `count` a period. It is stored in the cache as one number, the
/// time at which the bucket is full again (the "theoretical arrival time" of ATM's generic cell rate
/// algorithm, ITU-T I.371), under the key "throttle:KEY", and is gone when it is full: making another
/// Throttle of the same key, in any process, fills nothing. `clear`, or erasing that key, does.
///
/// It may be used by several threads. The cache must outlive it. Not to be used inside `Cache::transact`,
/// where others would wait along.
class DCACHE_EXPORT Throttle {
 public:
  /// Throws InvalidArgument if `count` is less than 1, or `period` not more than 0 or too short for `count`
  /// to be told apart in nanoseconds.
  Throttle(Cache& cache, ByteView key, std::int64_t count, Duration period);

  /// Takes tokens if there are so many, and says whether it did; all or none. Throws InvalidArgument if
  /// `tokens` is less than 1 or more than there can be.
  [[nodiscard]] bool try_acquire(std::int64_t tokens = 1) { return take(tokens) <= Duration(); }

  /// As above, and waits for them. If they cannot be there within `limit` it answers at once. Who waits is
  /// served in no particular order.
  [[nodiscard]] bool try_acquire_for(Duration limit, std::int64_t tokens = 1);

  /// As above; throws Timeout, saying when there would have been enough.
  void acquire(Duration limit = std::chrono::seconds(10), std::int64_t tokens = 1);

  /// How long until so many tokens are there, if nobody takes any; 0 if they are. A hint.
  [[nodiscard]] Duration wait_time(std::int64_t tokens = 1) const;

  [[nodiscard]] const std::string& key() const noexcept { return key_; }

 private:
  [[nodiscard]] Duration take(std::int64_t tokens);
  [[nodiscard]] Duration take_within(Duration limit, std::int64_t tokens);
  [[nodiscard]] std::int64_t cost_of(std::int64_t tokens) const;
  [[nodiscard]] std::int64_t full_at(std::int64_t now) const;

  Cache* cache_;
  std::string key_;
  std::string stored_key_;
  std::int64_t count_;
  std::int64_t period_;  ///< nanoseconds
};

/// A function as `f` that waits for a token of such a Throttle before each call, at most `limit`, else
/// Timeout. The model is diskcache's `throttle`, which fills the bucket whenever a function is decorated.
template <class F>
[[nodiscard]] auto throttle(Cache& cache, ByteView key, std::int64_t count, Duration period, F f,
                            Duration limit = forever) {
  return [bucket = Throttle(cache, key, count, period), f = std::move(f),
          limit](auto&&... args) mutable -> decltype(auto) {
    bucket.acquire(limit);
    return std::invoke(f, std::forward<decltype(args)>(args)...);
  };
}

}  // namespace dcache
