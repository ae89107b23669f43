// SPDX-License-Identifier: Apache-2.0
//
// Locks and get_or_set for programs on standalone Asio (1.22 or later): nothing waits with its thread.
//
//   asio::awaitable<void> report(dcache::Cache& cache) {
//     dcache::SyncLock lock{cache, "report"};
//     co_await dcache::async_lock(lock, asio::use_awaitable);
//     co_await build_report();
//     co_await dcache::async_unlock(lock, asio::use_awaitable);
//   }
//
// This header is not part of dcache.hpp, and the library is built without Asio. All functions take any
// completion token: callbacks, asio::use_future, asio::use_awaitable.
//
// Errors are the exceptions that the blocking calls throw (Timeout, Deadlock, Misuse, IoError, ...): handlers
// get them as std::exception_ptr, their first argument; futures and co_await throw them. A call that is
// cancelled, through the handler's cancellation slot and with any type, ends with Cancelled within 50 ms and
// has then got nothing, even if it was granted meanwhile.
//
// Handlers run on their associated executor (without one: asio::system_executor), and never inside the
// initiating call. Inside of that a short transaction is done, which takes the lock or a place in the queue;
// for a store that is busy it does not wait there for longer than 2 ms. All else is done by one thread
// of the library for each cache directory, which looks after all that wait, and by one more that watches a
// holder's death; those of more than one holder at a time are found out by looking, 20 times a second (if
// more than 64 wait, more rarely: of a thousand once a second). LockOptions::on_wait is called there too.
//
// Who holds a lock: SyncLock and Semaphore belong to the handle, so coroutines with handles of their own keep
// each other out, also on one thread; those that share a handle do so too, as with a mutex, and one that
// locks a handle again which it holds waits until its time is over. SyncRLock and SyncRWLock (which is locked
// exclusively) need an owner instead of the thread (LockOptions::owner), else the error is Misuse. A circle
// of coroutines that wait for each other is not found out (Deadlock): it ends by Timeout.
//
// A handle may be destroyed while it is waited for: that cancels. An io_context may be destroyed while there
// are calls that wait: their handlers (and coroutines) are destroyed, places in queues are given up. A grant
// whose handler has not run within a second, as its executor is stopped or busy, is given back, and asked for
// anew once it runs. So a grant is never left with nobody to release it.
//
// clang 14 knows no coroutines of C++20 to Asio 1.22 unless told: -D__cpp_impl_coroutine=201902L
// -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1.
#pragma once

#include <asio/async_result.hpp>
#include <asio/version.hpp>
#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "dcache/cache.hpp"
#include "dcache/codec.hpp"
#include "dcache/detail/asio_operation.hpp"
#include "dcache/get_or_set.hpp"
#include "dcache/lock.hpp"
#include "dcache/pending.hpp"

namespace dcache {

/// As `lock.lock()`: waits at most LockOptions::timeout. Completes with void(std::exception_ptr).
template <class Token>
auto async_lock(LockHandle& lock, Token&& token) {
  return detail::initiate<detail::Locking, void(std::exception_ptr), Token>(
      token, [&lock] { return detail::Locking{detail::Pending::lock(lock, std::nullopt)}; });
}

/// As `lock.try_lock_for(limit)`; a time of 0 or less is one try. Completes with void(std::exception_ptr,
/// bool).
template <class Token>
auto async_try_lock_for(LockHandle& lock, Duration limit, Token&& token) {
  return detail::initiate<detail::Trying, void(std::exception_ptr, bool), Token>(
      token, [&lock, limit] { return detail::Trying{detail::Pending::lock(lock, limit)}; });
}

/// As `lock.unlock()`, without waiting for a store that is busy. It cannot be cancelled, and is done even if
/// its executor goes. The error is NotOwner if the lock was never held here. Completes with
/// void(std::exception_ptr).
template <class Token>
auto async_unlock(LockHandle& lock, Token&& token) {
  return detail::initiate<detail::Unlocking, void(std::exception_ptr), Token>(
      token, [&lock] { return detail::Unlocking{detail::Pending::unlock(lock)}; });
}

/// As `get_or_set(cache, key, factory, options)`, and completes with void(std::exception_ptr, T), T being
/// what that returns (to be default-constructible). No thread of the executor waits for another one's
/// computation. The factory is an ordinary function, called on the associated executor, where the result is
/// stored too; or one that returns asio::awaitable, which is spawned there, if that executor fits it. To ask
/// for the same key from an ordinary factory is Deadlock, from an awaitable one it ends by Timeout. A call
/// that is cancelled while an awaitable factory runs cancels that.
template <class Factory, class Token>
auto async_get_or_set(Cache& cache, ByteView key, Factory&& factory, const GetOrSetOptions& options,
                      Token&& token) {
  using Work = detail::Valuing<std::decay_t<Factory>>;
  return detail::initiate<Work, void(std::exception_ptr, typename Work::Result), Token>(
      token, [cache = cache.share(), name = std::string(key.view()), factory = std::forward<Factory>(factory),
              options]() mutable {
        detail::PendingValue value(cache, name, options);
        return Work{std::move(value), std::move(name), std::move(factory)};
      });
}

}  // namespace dcache
