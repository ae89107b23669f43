// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdint>
#include <cstring>

#include "dcache/bytes.hpp"

namespace dcache {

namespace {

/// Length of the valid UTF-8 sequence at the start of `bytes` and its code point; length 0 if there is none.
struct Decoded {
  std::size_t length = 0;
  char32_t point = 0;
};

Decoded decode(std::string_view bytes) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {1, first};
  std::size_t length = 0;
  char32_t point = 0;
  if ((first & 0xE0U) == 0xC0) {
    length = 2;
    point = first & 0x1FU;
  } else if ((first & 0xF0U) == 0xE0) {
    length = 3;
    point = first & 0x0FU;
  } else if ((first & 0xF8U) == 0xF0) {
    length = 4;
    point = first & 0x07U;
  }
  if (length == 0 || bytes.size() < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    point = (point << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (point < kSmallest[length] || point > 0x10FFFF || surrogate) return {};
  return {length, point};
}

bool harmless(char32_t point) noexcept {
  if (point < 0x20 || point == '\\' || (point >= 0x7F && point < 0xA0)) return false;
  if (point == 0x061C || point == 0x200E || point == 0x200F) return false;  // marks of direction
  if (point >= 0x202A && point <= 0x202E) return false;                     // embeddings and overrides
  if (point >= 0x2066 && point <= 0x2069) return false;                     // isolates
  if (point == 0x2028 || point == 0x2029) return false;                     // line and paragraph separators
  return true;
}

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
  for (;;) {
    // Nearly all text is ASCII: eight bytes at once.
    for (std::uint64_t eight = 0; bytes.size() >= sizeof eight; bytes.remove_prefix(sizeof eight)) {
      std::memcpy(&eight, bytes.data(), sizeof eight);
      if ((eight & 0x8080808080808080U) != 0) break;
    }
    if (bytes.empty()) return true;
    const Decoded next = decode(bytes);
    if (next.length == 0) return false;
    bytes.remove_prefix(next.length);
  }
}

std::string escape(std::string_view bytes, std::size_t limit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded next = decode(bytes.substr(at));
    const std::size_t length = next.length == 0 ? 1 : next.length;
    if (at + length > limit) return out + "…";
    if (next.length != 0 && harmless(next.point)) {
      out.append(bytes.substr(at, length));
    } else {
      for (const char c : bytes.substr(at, length)) {
        const auto value = static_cast<unsigned char>(c);
        out.append("\\x").append(1, kDigits[value >> 4]).append(1, kDigits[value & 15U]);
      }
    }
    at += length;
  }
  return out;
}

}  // namespace dcache
