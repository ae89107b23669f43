// SPDX-License-Identifier: Apache-2.0
//
// At most so many at once, in all processes together.
//
//   dcache::Semaphore downloads{cache, "downloads", 3};
//   { std::scoped_lock permit{downloads}; download(); }
#pragma once

#include <cstddef>

#include "dcache/lock.hpp"

namespace dcache {

/// A counting semaphore whose permits have owners: those of a process that was killed come back at once, and
/// those of a handle when it goes. As a std::counting_semaphore it has acquire, try_acquire and release, but
/// nobody can give back what was not taken. As a lock, for guards, it is one permit. Permits belong to the
/// handle: any thread may use it, and all its permits together are one grant with one fence.
///
/// All who use a key at the same time must name the same number of permits: otherwise InvalidArgument, which
/// names both. The model is diskcache's BoundedSemaphore and py-cachify's `pooled`, whose slots leak.
class DCACHE_EXPORT Semaphore : public LockHandle {
 public:
  /// `permits` is how many there are in all. Throws InvalidArgument if that is less than 1.
  Semaphore(Cache& cache, ByteView key, std::ptrdiff_t permits, LockOptions options = {});

  /// Waits until `count` permits more are held here, at most `LockOptions::timeout`: all of them or none.
  /// Throws as `lock`, and InvalidArgument if there are not so many.
  void acquire(std::ptrdiff_t count = 1);
  /// As above, and throws Cancelled within 50 ms when `stop` is requested.
  void acquire(std::stop_token stop, std::ptrdiff_t count = 1);

  [[nodiscard]] bool try_acquire(std::ptrdiff_t count = 1) { return try_acquire_for(Duration(), count); }
  [[nodiscard]] bool try_acquire_for(Duration limit, std::ptrdiff_t count = 1);
  template <class Clock, class D>
  [[nodiscard]] bool try_acquire_until(std::chrono::time_point<Clock, D> deadline, std::ptrdiff_t count = 1) {
    return try_acquire_for(until(deadline), count);
  }

  /// Gives back `count` permits and says what became of that; not_owner, and nothing is given back, if fewer
  /// are held here.
  Release release(std::ptrdiff_t count = 1);

  /// How many there are in all.
  [[nodiscard]] std::ptrdiff_t permits() const noexcept;

 private:
  [[nodiscard]] std::uint64_t checked(std::ptrdiff_t count) const;
};

}  // namespace dcache
