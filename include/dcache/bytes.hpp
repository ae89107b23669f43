// SPDX-License-Identifier: Apache-2.0
//
// Keys and values are bytes. `ByteView` lets a call take them from whatever the caller has, without a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>

#include "dcache/export.hpp"

namespace dcache {

/// What a stored value is. It changes nothing in the bytes; it tells people and `incr` how to read them.
enum class Format : std::uint8_t {
  bytes = 0,    ///< any bytes
  text = 1,     ///< text, as given in a string
  integer = 2,  ///< a decimal integer of 64 bits, as `incr` writes it
  json = 3,     ///< one JSON document
};

namespace detail {

template <class T>
concept ByteLike = std::is_same_v<std::remove_cv_t<T>, std::byte> || std::is_same_v < std::remove_cv_t<T>,
unsigned char > || std::is_same_v<std::remove_cv_t<T>, signed char>;

template <class R>
concept ByteRange = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    ByteLike<std::ranges::range_value_t<R>>;

}  // namespace detail

/// A non-owning view of bytes: a key or a value. It must not outlive what it was made from; calls that take
/// it have copied what they need when they return.
///
/// Made from a string, a literal (up to its first NUL), a string_view, or a contiguous range of std::byte or
/// unsigned char. The former have the format text, the latter bytes. Numbers, `nullptr` and `{}` do not
/// compile: `set("n", 0)` would otherwise be a null pointer.
class ByteView {
 public:
  // NOLINTBEGIN(google-explicit-constructor): conversions are the purpose of this class
  ByteView(std::string_view text) noexcept : data_(text.data()), size_(text.size()), format_(Format::text) {}
  ByteView(const std::string& text) noexcept : ByteView(std::string_view(text)) {}
  ByteView(const char* text) noexcept : ByteView(std::string_view(text)) {}

  template <detail::ByteRange R>
  ByteView(const R& range) noexcept
      : data_(reinterpret_cast<const char*>(std::ranges::data(range))),
        size_(std::ranges::size(range)),
        format_(Format::bytes) {}

  ByteView(std::nullptr_t) = delete;
  template <class T>
  requires std::is_arithmetic_v<T> ByteView(T)
  = delete;
  // NOLINTEND(google-explicit-constructor)

  /// The same bytes under another format.
  [[nodiscard]] ByteView as(Format format) const noexcept {
    ByteView copy = *this;
    copy.format_ = format;
    return copy;
  }

  [[nodiscard]] const char* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Format format() const noexcept { return format_; }
  [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }

 private:
  const char* data_;
  std::size_t size_;
  Format format_;
};

/// `bytes` as text that is safe on a terminal and in a log: control characters, DEL, marks that turn the
/// direction of writing, backslashes and invalid UTF-8 come out as `\xNN`, the rest as it is. At most `limit`
/// bytes are shown, then "…" follows.
DCACHE_EXPORT std::string escape(std::string_view bytes, std::size_t limit = static_cast<std::size_t>(-1));

/// Whether `bytes` is valid UTF-8 throughout.
[[nodiscard]] DCACHE_EXPORT bool is_utf8(std::string_view bytes) noexcept;

}  // namespace dcache
