// SPDX-License-Identifier: Apache-2.0
//
// The stored value, or what a function returns: one caller computes, in all processes together.
//
//   std::string page = cache.get_or_set("page:1", [] { return render(1); }, {.expire = 10min});
//
// While one caller runs the function (running) all others that miss the key wait, and get its result (done).
// If it throws, returns an empty optional or is killed (failed), nothing is stored and the next of those who
// wait runs its own.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "dcache/cache.hpp"
#include "dcache/codec.hpp"
#include "dcache/export.hpp"
#include "dcache/options.hpp"

namespace dcache {

namespace detail {

/// What a factory makes, without the std::optional that says whether it did.
template <class T>
struct Making {
  using Type = T;
  using Result = Decoded<T>;
};
template <class T>
struct Making<std::optional<T>> {
  using Type = T;
  using Result = std::optional<Decoded<T>>;
};
template <>
struct Making<void>;  // a factory must return the value that is to be stored

template <class Factory>
using MakingOf = Making<std::remove_cvref_t<std::invoke_result_t<Factory&>>>;

using Factory = std::function<std::optional<Encoded>()>;

/// The slow part: what is stored, waited for or made.
DCACHE_EXPORT std::optional<std::string> get_or_make(Cache& cache, ByteView key, const Factory& factory,
                                                     const GetOrSetOptions& options);

}  // namespace detail

/// The value of `key`; if there is none, what `factory()` returns, stored under `options`. Of all callers in
/// all processes that miss the key at the same time one runs its factory, the others wait for the result. A
/// hit is a `get`.
///
/// The factory may return text or bytes (then the result is a std::string), a number, a bool or, with
/// dcache/json.hpp, whatever nlohmann's conversions know: the result is that type again. If it returns a
/// std::optional, so does this: an empty one means that there is nothing, and nothing is stored. What it
/// throws reaches its caller alone. No lock of the store is held while it runs; it may use this cache in any
/// way, but for asking for the same key: that is Deadlock, at once.
///
/// The value is stored only while the computation is its caller's: one that took longer than
/// `options.max_hold` and was taken over gets LockLost and leaves the newer value alone.
/// Throws besides: Timeout (`timeout` or `max_tries` ran out while another one computed), AlreadyExists (see
/// `if_present`), WrongType (what is stored is no such type), Misuse inside `Cache::transact`, unless it is a
/// hit.
///
/// Factories that ask for each other's keys in a circle, in several threads, end by Timeout or Deadlock.
///
/// The computing one holds the lock "get_or_set:KEY", which the command shows and can clear; the first of
/// those who wait holds "get_or_set-next:KEY" besides, and is woken when it is done. The others look every 8
/// ms at most, or every hundredth of the time that they have waited (at least four times a second), without
/// writing.
template <class Factory>
[[nodiscard]] auto get_or_set(Cache& cache, ByteView key, Factory&& factory,
                              const GetOrSetOptions& options = {}) ->
    typename detail::MakingOf<Factory>::Result {
  using Making = detail::MakingOf<Factory>;
  std::optional<std::string> bytes;
  if (options.plain()) bytes = cache.get(key);
  if (!bytes) {
    const auto encoded = [&factory]() -> std::optional<detail::Encoded> {
      if constexpr (std::is_same_v<typename Making::Type,
                                   std::remove_cvref_t<std::invoke_result_t<Factory&>>>) {
        return detail::encode(std::invoke(factory));
      } else {
        auto made = std::invoke(factory);
        if (!made) return std::nullopt;
        return detail::encode(*std::move(made));
      }
    };
    bytes = detail::get_or_make(cache, key, encoded, options);
    // Only an optional of the factory's can have been empty.
    if (!bytes) return typename Making::Result();
  }
  return detail::decode<typename Making::Type>(key, *std::move(bytes));
}

template <class Factory>
auto Cache::get_or_set(ByteView key, Factory&& factory, const GetOrSetOptions& options) {
  return dcache::get_or_set(*this, key, std::forward<Factory>(factory), options);
}

/// Where the computation of a key is.
enum class Computation {
  absent,   ///< there is no value, and nobody computes it (also after it failed)
  running,  ///< somebody computes it
  done,     ///< there is a value, and nobody computes a new one
};

/// How `get_or_set` of `key` stands at this moment. A hint: it may change before it returns.
[[nodiscard]] DCACHE_EXPORT Computation computation(Cache& cache, ByteView key);

}  // namespace dcache
