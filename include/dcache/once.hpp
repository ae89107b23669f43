// SPDX-License-Identifier: Apache-2.0
//
// A function that succeeds once, in all processes together.
//
//   dcache::once(cache, "schema:7", [] { migrate(); });
//   dcache::once_per(cache, "digest", 24h, [] { send_digest(); });
//
// That it was done is kept as a lock, "once:KEY", which neither `clear` nor a size limit removes and which
// survives a reboot; `forget_once` or `clear_lock` do.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "dcache/export.hpp"
#include "dcache/lock.hpp"
#include "dcache/with_lock.hpp"

namespace dcache {

struct OnceOptions {
  /// Longest wait for another caller who runs the function, then Timeout.
  Duration timeout = std::chrono::seconds(10);
  /// Longest run: then another caller may begin. None: as long as its process lives.
  std::optional<Duration> max_hold = {};
  std::string label = {};  ///< shown beside "once:KEY"
};

namespace detail {

/// One caller's part in it.
class DCACHE_EXPORT Turn {
 public:
  enum class Wait { yes, no };
  /// Waits for who runs it now. `period`: how long it stays done; `forever`: always.
  Turn(Cache& cache, ByteView key, Duration period, const OnceOptions& options, Wait wait);

  /// Whether it is to be run here.
  [[nodiscard]] bool mine() const noexcept { return mine_; }
  /// It has been run. Throws LockLost if another one was let in meanwhile.
  void done();

 private:
  Cache& cache_;
  const Duration period_;
  const OnceOptions options_;
  std::chrono::steady_clock::time_point start_;
  SyncLock done_;
  SyncLock running_;
  bool mine_ = false;
};

template <class F>
auto run_once(Cache& cache, ByteView key, Duration period, F&& f, const OnceOptions& options, Turn::Wait wait)
    -> typename Skippable<std::invoke_result_t<F>>::Type {
  using Result = std::invoke_result_t<F>;
  Turn turn(cache, key, period, options, wait);
  if (!turn.mine()) return {};
  auto result = ran<Result>(std::forward<F>(f));
  turn.done();
  return result;
}

}  // namespace detail

/// Calls `f()` unless it has been done under this key before, by whomever. Of several callers one calls it
/// and the others wait until it is done; if it throws or its process is killed it is not done, and the next
/// one tries. Returns an optional of what `f` returned, empty if it was not called here; for an `f` without
/// result whether it was called. Throws Timeout, what `f` throws, and LockLost if its lock was
/// lost meanwhile: `max_hold` was over and somebody else began, or the lock was cleared.
template <class F>
auto once(Cache& cache, ByteView key, F&& f, const OnceOptions& options = {}) {
  return detail::run_once(cache, key, forever, std::forward<F>(f), options, detail::Turn::Wait::yes);
}

/// As `once`, and does not wait: while another caller is at it, `f` is not called.
template <class F>
[[nodiscard]] auto try_once(Cache& cache, ByteView key, F&& f, const OnceOptions& options = {}) {
  return detail::run_once(cache, key, forever, std::forward<F>(f), options, detail::Turn::Wait::no);
}

/// As `once`, but it is done for a while only: `period` by the wall clock, from when the call that did it
/// began to run `f`. Throws InvalidArgument if that is not more than 0.
template <class F>
auto once_per(Cache& cache, ByteView key, Duration period, F&& f, const OnceOptions& options = {}) {
  return detail::run_once(cache, key, period, std::forward<F>(f), options, detail::Turn::Wait::yes);
}

/// Lets it be done again, and says whether it had been done.
DCACHE_EXPORT bool forget_once(Cache& cache, ByteView key);

}  // namespace dcache
