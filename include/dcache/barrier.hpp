// SPDX-License-Identifier: Apache-2.0
//
// Where several processes wait for each other.
//
//   dcache::Barrier ready{cache, "ready", 4};
//   ready.arrive_and_wait();    // returns in all four once the fourth has come
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "dcache/export.hpp"
#include "dcache/semaphore.hpp"

namespace dcache {

/// A barrier for `parties` threads of any processes, used again and again, as std::barrier. Who is killed
/// while it waits has not come: another one is waited for in its place. Who gives up waiting has not come
/// either.
///
/// Who waits holds a permit of the semaphore "barrier:KEY:ROUND", which the command shows; the round is the
/// value "barrier:KEY" (if that is removed, as by `clear`, while somebody waits, that one waits in vain). It
/// looks every few milliseconds whether all have come. The cache must outlive it.
class DCACHE_EXPORT Barrier {
 public:
  /// Throws InvalidArgument if `parties` is less than 1. All who use a key must name the same number:
  /// otherwise InvalidArgument when they meet.
  Barrier(Cache& cache, ByteView key, std::ptrdiff_t parties);

  /// Waits until as many as `parties` wait, at most `limit`, then Timeout, which tells how many have come.
  /// Returns true in the one that came last, where what is to be done once can be done.
  bool arrive_and_wait(Duration limit = forever);

  /// How many wait now. A hint.
  [[nodiscard]] std::size_t waiting() const;

  [[nodiscard]] std::ptrdiff_t parties() const noexcept { return parties_; }

 private:
  [[nodiscard]] std::int64_t round() const;
  [[nodiscard]] std::string place(std::int64_t round) const;
  [[nodiscard]] std::size_t arrived(std::int64_t round) const;

  Cache* cache_;
  std::string key_;
  std::string stored_key_;
  std::ptrdiff_t parties_;
};

}  // namespace dcache
