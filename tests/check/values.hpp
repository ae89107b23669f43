// SPDX-License-Identifier: Apache-2.0
//
// Values that tell whether they are whole, and belong to their key.
#pragma once

#include <cstdint>
#include <string>

#include "dcache/cache.hpp"

namespace dcache::test {

inline constexpr std::uint64_t kKeys = 40;

inline std::string key_of(std::uint64_t i) { return "key" + std::to_string(i); }

inline std::string value_of(const std::string& key, std::uint64_t seed, std::size_t size) {
  std::string value = key + " " + std::to_string(seed) + " " + std::to_string(size) + " ";
  std::uint64_t state = seed | 1U;
  while (value.size() < size) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    value += static_cast<char>(state >> 56);
  }
  return value;
}

/// Whether `value` is one that `value_of` has made for `key`.
inline bool is_value_of(const std::string& key, const std::string& value) {
  if (!value.starts_with(key + " ")) return false;
  char* end = nullptr;
  const std::uint64_t seed = std::strtoull(value.c_str() + key.size() + 1, &end, 10);
  const std::uint64_t size = std::strtoull(end, nullptr, 10);
  return value == value_of(key, seed, size);
}

}  // namespace dcache::test
