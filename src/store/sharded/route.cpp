// SPDX-License-Identifier: Apache-2.0
#include "store/sharded/route.hpp"

#include <algorithm>

#include "store/hash.hpp"

namespace dcache::store::sharded {

namespace {

constexpr std::size_t kQueueDigits = 19;

}  // namespace

std::optional<std::string_view> part_in_braces(std::string_view key) noexcept {
  const std::size_t open = key.find('{');
  if (open == std::string_view::npos) return std::nullopt;
  const std::size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return std::nullopt;
  return key.substr(open + 1, close - open - 1);
}

std::string_view deciding_part(std::string_view key) noexcept {
  if (const auto part = part_in_braces(key)) return *part;
  if (key.size() <= kQueueDigits) return key;
  const std::size_t mark = key.size() - kQueueDigits - 1;
  const bool is_item =
      key[mark] == '#' && std::all_of(key.begin() + static_cast<std::ptrdiff_t>(mark) + 1, key.end(),
                                      [](char c) { return c >= '0' && c <= '9'; });
  return is_item ? key.substr(0, mark) : key;
}

std::size_t shard_of(std::string_view key, std::size_t count) noexcept {
  return static_cast<std::size_t>(hash_of(deciding_part(key)) % count);
}

}  // namespace dcache::store::sharded
