// SPDX-License-Identifier: Apache-2.0
#include "dcache/key_of.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "dcache/cache.hpp"
#include "dcache/error.hpp"
#include "recipes/names.hpp"
#include "recipes/sha256.hpp"

namespace dcache {

namespace detail {

void append_text(std::string& key, std::string_view text) {
  key += '"';
  for (const char c : text) {
    constexpr std::string_view kPlain = "\"\\\b\f\n\r\t";
    constexpr std::string_view kEscaped = "\"\\bfnrt";
    if (const std::size_t at = kPlain.find(c); at != std::string_view::npos) {
      key += '\\';
      key += kEscaped[at];
    } else if (const auto byte = static_cast<unsigned char>(c); byte < 0x20) {
      key += "\\u00";
      key += static_cast<char>('0' + (byte >> 4));
      key += "0123456789abcdef"[byte & 15];
    } else {
      key += c;
    }
  }
  key += '"';
}

void append_number(std::string& key, double number) {
  if (std::isnan(number)) throw InvalidArgument("NaN cannot be a part of a key: it is not equal to itself");
  if (std::isinf(number)) {
    key += number < 0 ? "-inf" : "inf";
    return;
  }
  std::array<char, 32> digits{};
  const double same = number == 0 ? 0.0 : number;  // -0.0 equals 0.0
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), same).ptr;
  const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  key += text;
  if (text.find_first_of(".e") == std::string_view::npos) key += ".0";
}

std::string finished_key(std::string key) {
  if (key.size() <= kLongestPlainKey) return key;
  const std::string hash = recipes::sha256(key);
  key.resize(kLongestPlainKey - hash.size() - 1);
  return key + '#' + hash;
}

}  // namespace detail

std::string recipes::derived_key(std::string_view kind, std::string_view key) {
  std::string name(kind);
  name += ':';
  if (name.size() + key.size() <= kMaxKeyBytes) return name.append(key);
  return name.append(key.substr(0, detail::kLongestPlainKey)) + "#" + sha256(key);
}

}  // namespace dcache
