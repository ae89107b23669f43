// SPDX-License-Identifier: Apache-2.0
//
// Waiting without a thread: what async.hpp is made of, with nothing in it of the framework that resumes who
// waits. Not for use by itself, but to make the like of async.hpp for another framework.
//
// All that a process waits for in this way in one directory is looked after by one thread, which sleeps until
// a waiter has a reason to go on and then does the next step for it: microseconds of reading, or a short
// transaction. It ends when there has been nothing to do for a second.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dcache/cache.hpp"
#include "dcache/codec.hpp"
#include "dcache/export.hpp"
#include "dcache/get_or_set.hpp"
#include "dcache/lock.hpp"

namespace dcache {

namespace locking {
class Task;
}

namespace detail {

/// An operation that is waited for. Its end gives it up: a place in a queue, or a grant that nobody took.
class DCACHE_EXPORT Pending {
 public:
  Pending(Pending&&) noexcept;
  Pending& operator=(Pending&&) = delete;
  ~Pending();

  /// Getting a lock: without a limit as `lock()`, else as `try_lock_for`.
  [[nodiscard]] static Pending lock(LockHandle& handle, std::optional<Duration> limit);
  /// Giving it back, as `unlock()`.
  [[nodiscard]] static Pending unlock(LockHandle& handle);

  /// Tries at once, for some milliseconds at most if the store is busy. Returns true if that was the end of
  /// it. Otherwise `ready` is called once it is over, by any thread, unless `drop` comes first. It must be
  /// quick, and must not throw.
  [[nodiscard]] bool start(std::function<void()> ready);

  /// Ends it with Cancelled, unless `take` has returned; within 30 ms, and mostly at once.
  void cancel() noexcept;

  /// Nobody wants it any more, nor to be told of its end.
  void drop() noexcept;

  enum class Taken { no, yes, again };
  /// What it came to, once it is over; throws what the call would that waits with its thread. A grant that
  /// nobody has taken within a second is given back, so that an executor that stands still keeps no lock:
  /// Taken::again then says that it has to be started anew.
  [[nodiscard]] Taken take();

 protected:
  explicit Pending(std::shared_ptr<locking::Task> task) noexcept;
  [[nodiscard]] locking::Task& task() const noexcept { return *task_; }

 private:
  std::shared_ptr<locking::Task> task_;
};

/// The value of a key, found, waited for or to be computed by the caller.
class DCACHE_EXPORT PendingValue : public Pending {
 public:
  PendingValue(const Cache& cache, ByteView key, GetOrSetOptions options);

  /// After `take` has said Taken::yes: the value. Taken::no says that the caller is to compute it.
  [[nodiscard]] std::optional<std::string> found();
  /// Computes it here and stores it; what get_or_set returns.
  [[nodiscard]] std::optional<std::string> compute(const Factory& factory);
  /// Or: it is computed somewhere else from now on.
  void compute_elsewhere();
  /// Stores what was computed there. Without a value: there is none, and the next one may
  /// try.
  [[nodiscard]] std::optional<std::string> computed(std::optional<Encoded> made);
};

}  // namespace detail
}  // namespace dcache
