// SPDX-License-Identifier: Apache-2.0
//
// A function under a lock.
//
//   auto rows = dcache::with_lock(cache, "report", [] { return build_report(); });
//   bool ran = dcache::try_with_lock(cache, "backup", [] { back_up(); });    // false: somebody else does
//
// "Busy" is only what the lock said: whatever the function throws reaches the caller as it is, with the lock
// given back.
#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "dcache/export.hpp"
#include "dcache/lock.hpp"

namespace dcache {

/// When a grant with `LockOptions::keep` outlives the function.
enum class KeepOn {
  end,      ///< whenever the function ends, also by an exception
  success,  ///< when it returns; if it throws, the lock is free at once and the next caller may try
};

namespace detail {

template <class F>
concept TakesLock = std::is_invocable_v<F, SyncLock&>;

/// What F returns, whether or not it takes the lock.
template <class F>
struct UnderLock : std::invoke_result<F> {};
template <TakesLock F>
struct UnderLock<F> : std::invoke_result<F, SyncLock&> {};

template <class F>
decltype(auto) call_under(F&& f, SyncLock& lock) {
  if constexpr (TakesLock<F>) {
    return std::invoke(std::forward<F>(f), lock);
  } else {
    return std::invoke(std::forward<F>(f));
  }
}

/// A held lock, from here to the end of the function.
class DCACHE_EXPORT Holding {
 public:
  Holding(SyncLock& lock, KeepOn keep) noexcept : lock_(lock), keep_(keep) {}
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;
  ~Holding();

  /// The function has returned. Throws LockLost if the lock was lost in the meantime.
  void done();

 private:
  SyncLock& lock_;
  const KeepOn keep_;
  bool over_ = false;
};

template <class F>
decltype(auto) call_holding(F&& f, SyncLock& lock, KeepOn keep) {
  Holding holding(lock, keep);
  if constexpr (std::is_void_v<typename UnderLock<F>::type>) {
    call_under(std::forward<F>(f), lock);
    holding.done();
  } else {
    typename UnderLock<F>::type result = call_under(std::forward<F>(f), lock);
    holding.done();
    return result;
  }
}

/// What a function that may be skipped gives: bool for one without result, else an optional.
template <class Result>
struct Skippable {
  using Type = std::optional<std::remove_cvref_t<Result>>;
};
template <>
struct Skippable<void> {
  using Type = bool;
};

/// Calls it and turns "returned nothing" into true.
template <class Result, class F>
typename Skippable<Result>::Type ran(F&& f) {
  if constexpr (std::is_void_v<Result>) {
    std::forward<F>(f)();
    return true;
  } else {
    return std::forward<F>(f)();
  }
}

}  // namespace detail

/// Waits for the lock `key`, calls `f()` or `f(SyncLock&)` under it, and returns what that returns.
/// Throws as SyncLock::lock, what `f` throws, and LockLost if the lock was lost while `f` ran (its lease
/// ended or somebody cleared it): what it protects may have been changed by two at once.
template <class F>
decltype(auto) with_lock(Cache& cache, ByteView key, F&& f, LockOptions options = {},
                         KeepOn keep = KeepOn::end) {
  SyncLock lock(cache, key, std::move(options));
  lock.lock();
  return detail::call_holding(std::forward<F>(f), lock, keep);
}

/// As `with_lock`, but does not wait: if the lock is not free, `f` is not called. Returns an optional of what
/// `f` returns, empty if it was not called; for an `f` without result whether it was called.
template <class F>
[[nodiscard]] auto try_with_lock(Cache& cache, ByteView key, F&& f, LockOptions options = {},
                                 KeepOn keep = KeepOn::end) ->
    typename detail::Skippable<typename detail::UnderLock<F>::type>::Type {
  SyncLock lock(cache, key, std::move(options));
  if (!lock.try_lock()) return {};
  return detail::ran<typename detail::UnderLock<F>::type>(
      [&]() -> decltype(auto) { return detail::call_holding(std::forward<F>(f), lock, keep); });
}

}  // namespace dcache
