// SPDX-License-Identifier: Apache-2.0
//
// Functions with a lock, a memory or a limit around them. Each takes a function and returns one.
//
//   auto area = dcache::memoized(cache, "area", [](int w, int h) { return w * h; }, {.expire = 1h});
//   area(3, 4);   // the value of key area[3,4], computed where it is missing
//
// The key comes from the arguments: given a text, it is `key_of(text, arguments…)`; given a function, what
// that returns for the arguments. The cache must outlive the new function, which owns all else.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "dcache/get_or_set.hpp"
#include "dcache/key_of.hpp"
#include "dcache/lock.hpp"
#include "dcache/with_lock.hpp"

namespace dcache {

namespace detail {

/// A text is copied, as a literal or a view may not live as long.
template <class Key>
auto owned_key(Key&& key) {
  if constexpr (std::is_convertible_v<Key, std::string_view>) {
    return std::string(std::string_view(key));
  } else {
    return std::decay_t<Key>(std::forward<Key>(key));
  }
}

template <class Key, class... Args>
std::string key_for(Key& key, const Args&... args) {
  if constexpr (std::is_invocable_v<Key&, const Args&...>) {
    return std::string(std::string_view(std::invoke(key, args...)));
  } else {
    return key_of(key, args...);
  }
}

}  // namespace detail

/// A function as `f` that runs under the lock which its arguments name: calls with equal arguments exclude
/// each other, in all processes. Throws as `with_lock`.
template <class Key, class F>
[[nodiscard]] auto synchronized(Cache& cache, Key&& key, F f, LockOptions options = {}) {
  return [&cache, key = detail::owned_key(std::forward<Key>(key)), f = std::move(f),
          options = std::move(options)](auto&&... args) mutable -> decltype(auto) {
    const std::string name = detail::key_for(key, args...);
    return with_lock(
        cache, name,
        [&]() -> decltype(auto) { return std::invoke(f, std::forward<decltype(args)>(args)...); }, options);
  };
}

/// A function as `f` whose results are kept in the cache: `get_or_set` with the key that the arguments name.
template <class Key, class F>
[[nodiscard]] auto memoized(Cache& cache, Key&& key, F f, GetOrSetOptions options = {}) {
  return [&cache, key = detail::owned_key(std::forward<Key>(key)), f = std::move(f),
          options = std::move(options)](auto&&... args) mutable {
    const std::string name = detail::key_for(key, args...);
    return get_or_set(
        cache, name,
        [&]() -> decltype(auto) { return std::invoke(f, std::forward<decltype(args)>(args)...); }, options);
  };
}

/// A function as `f` of which one call runs at a time, whatever its arguments: each is under the lock `key`,
/// of the given kind. The model is diskcache's `barrier`; see Barrier for one that waits for all to come.
template <class Lock = SyncLock, class F>
[[nodiscard]] auto barrier(Cache& cache, ByteView key, F f, LockOptions options = {}) {
  return [&cache, key = std::string(key.view()), f = std::move(f),
          options = std::move(options)](auto&&... args) mutable -> decltype(auto) {
    Lock lock(cache, key, options);
    const std::unique_lock<Lock> held(lock);
    return std::invoke(f, std::forward<decltype(args)>(args)...);
  };
}

}  // namespace dcache
