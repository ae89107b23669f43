// SPDX-License-Identifier: Apache-2.0
//
// Keys from values.
//
//   dcache::key_of("user", 42, "eu")   // user[42,"eu"]
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/export.hpp"

namespace dcache {

namespace detail {

/// A T as one JSON document. Defined in dcache/json.hpp: include that for types with to_json and from_json.
template <class T>
struct JsonText;

/// Keys of more bytes than this end with a hash in place of their rest.
inline constexpr std::size_t kLongestPlainKey = 512;

/// These append a part to a key.
DCACHE_EXPORT void append_text(std::string& key, std::string_view text);
DCACHE_EXPORT void append_number(std::string& key, double number);
/// The key itself, or its beginning and its hash if it is long.
[[nodiscard]] DCACHE_EXPORT std::string finished_key(std::string key);

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

/// The order of such a container differs from one process to the next.
template <class T>
concept Unordered = requires {
  typename T::hasher;
};

template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

template <class T>
concept TextLike = std::convertible_to<const T&, std::string_view>;

template <class T>
void append_part(std::string& key, const T& part);

template <class... Parts>
void append_list(std::string& key, const Parts&... parts) {
  [[maybe_unused]] std::string_view between = "[";
  ((key += between, append_part(key, parts), between = ","), ...);
  key += sizeof...(parts) == 0 ? "[]" : "]";
}

template <class T>
void append_part(std::string& key, const T& part) {
  static_assert(!std::same_as<T, long double>, "the digits of a long double depend on the machine");
  static_assert(!Unordered<T>, "the order of this container differs from process to process: sort it first");
  if constexpr (std::same_as<T, std::nullptr_t> || std::same_as<T, std::nullopt_t>) {
    key += "null";
  } else if constexpr (TextLike<T>) {
    append_text(key, part);
  } else if constexpr (std::same_as<T, char>) {
    append_text(key, std::string_view(&part, 1));
  } else if constexpr (std::same_as<T, bool>) {
    key += part ? "true" : "false";
  } else if constexpr (std::integral<T>) {
    key += std::to_string(part);
  } else if constexpr (std::floating_point<T>) {
    append_number(key, static_cast<double>(part));
  } else if constexpr (std::is_enum_v<T>) {
    append_part(key, static_cast<std::underlying_type_t<T>>(part));
  } else if constexpr (IsOptional<T>::value) {
    if (part) {
      append_part(key, *part);
    } else {
      key += "null";
    }
  } else if constexpr (std::ranges::input_range<const T>) {
    std::string_view between = "[";
    for (const auto& each : part) {
      key += between;
      // A vector<bool> gives stand-ins for its bits.
      append_part<std::ranges::range_value_t<const T>>(key, each);
      between = ",";
    }
    key += between == "[" ? "[]" : "]";
  } else if constexpr (TupleLike<T>) {
    std::apply([&key](const auto&... each) { append_list(key, each...); }, part);
  } else {
    key += JsonText<T>::write(part);  // no such type: include dcache/json.hpp, and write a to_json for T
  }
}

}  // namespace detail

/// A key made from a prefix and any number of values: the prefix, then the values as a JSON array. It is the
/// same in every process and every version of this library, and two lists of values have the same key only if
/// they are written the same: 1, 1.0 and "1" differ; 0.0 and -0.0 do not.
///
/// Values may be text (any bytes), characters, whole and floating numbers, bool, nullptr, enumerations (as
/// their number), std::optional (empty: null), pairs and tuples, ordered containers, and whatever has a
/// to_json of nlohmann's (include dcache/json.hpp). Containers without an order and pointers do not compile.
/// A key that would have more than 512 bytes ends with the SHA-256 of all of it (FIPS 180-4) instead.
/// Throws InvalidArgument for NaN, which equals nothing.
template <class... Parts>
[[nodiscard]] std::string key_of(ByteView prefix, const Parts&... parts) {
  std::string key(prefix.view());
  detail::append_list(key, parts...);
  return detail::finished_key(std::move(key));
}

}  // namespace dcache
