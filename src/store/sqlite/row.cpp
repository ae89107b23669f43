// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/row.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstring>

namespace dcache::store::sqlite {

std::string pack_tags(std::span<const std::string> tags) {
  std::string packed;
  for (const std::string& tag : tags) {
    packed += static_cast<char>(tag.size() & 0xFF);
    packed += static_cast<char>(tag.size() >> 8);
    packed += tag;
  }
  return packed;
}

std::optional<std::vector<std::string>> unpack_tags(std::string_view packed) {
  std::vector<std::string> tags;
  while (!packed.empty()) {
    if (packed.size() < 2) return std::nullopt;
    const auto low = static_cast<unsigned char>(packed[0]);
    const auto high = static_cast<unsigned char>(packed[1]);
    const std::size_t size = low | (static_cast<std::size_t>(high) << 8);
    packed.remove_prefix(2);
    if (packed.size() < size) return std::nullopt;
    tags.emplace_back(packed.substr(0, size));
    packed.remove_prefix(size);
  }
  return tags;
}

std::uint64_t checksum(const RowHead& head) noexcept {
  // Each part's hash seeds the next; the sizes tell which part bytes belong to.
  const std::array<std::int64_t, 6> numbers{
      head.stored, head.expires.value_or(0), head.expires.has_value() ? 1 : 0,
      head.format, std::ssize(head.tags),    std::ssize(head.file)};
  std::uint64_t hash = XXH3_64bits(head.key.data(), head.key.size());
  if (!head.tags.empty()) hash = XXH3_64bits_withSeed(head.tags.data(), head.tags.size(), hash);
  if (!head.file.empty()) hash = XXH3_64bits_withSeed(head.file.data(), head.file.size(), hash);
  return XXH3_64bits_withSeed(numbers.data(), sizeof(numbers), hash);
}

}  // namespace dcache::store::sqlite
