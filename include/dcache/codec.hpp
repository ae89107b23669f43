// SPDX-License-Identifier: Apache-2.0
//
// How recipes store what functions return. Not for use by itself.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/export.hpp"
#include "dcache/key_of.hpp"

namespace dcache::detail {

/// A value as it is stored.
struct Encoded {
  std::string bytes;
  Format format = Format::bytes;
};

/// Throws WrongType: the stored value of `key` is no such `type`.
[[noreturn]] DCACHE_EXPORT void throw_wrong_type(ByteView key, const char* type);

template <class T>
concept BytesLike = TextLike<T> || ByteRange<T>;

/// What a T is after it was stored: the text of something like text or bytes, else a T.
template <class T>
using Decoded = std::conditional_t<BytesLike<T>, std::string, T>;

template <std::integral T>
Encoded encode_number(T value) {
  return {std::to_string(value),
          value <= std::numeric_limits<std::int64_t>::max() ? Format::integer : Format::text};
}

template <class T>
Encoded encode(T&& value) {
  using Type = std::remove_cvref_t<T>;
  if constexpr (std::same_as<Type, std::string>) {
    return {std::forward<T>(value), Format::text};
  } else if constexpr (BytesLike<Type>) {
    const ByteView view(value);
    return {std::string(view.view()), view.format()};
  } else if constexpr (std::same_as<Type, bool>) {
    return {value ? "true" : "false", Format::json};
  } else if constexpr (std::integral<Type>) {
    return encode_number(value);
  } else if constexpr (std::floating_point<Type>) {
    std::array<char, 64> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return {std::string(digits.data(), end), Format::text};
  } else {
    return {JsonText<Type>::write(value), Format::json};  // no such type: include dcache/json.hpp
  }
}

template <class T>
Decoded<T> decode(ByteView key, std::string&& bytes) {
  if constexpr (BytesLike<T>) {
    return std::move(bytes);
  } else if constexpr (std::same_as<T, bool>) {
    if (bytes != "true" && bytes != "false") throw_wrong_type(key, "true or false");
    return bytes == "true";
  } else if constexpr (std::is_arithmetic_v<T>) {
    T value{};
    const char* const end = bytes.data() + bytes.size();
    const auto [stop, error] = std::from_chars(bytes.data(), end, value);
    if (stop != end || error != std::errc()) throw_wrong_type(key, "number of the type that is asked for");
    return value;
  } else {
    return JsonText<T>::read(key, bytes);
  }
}

}  // namespace dcache::detail
