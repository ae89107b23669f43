// SPDX-License-Identifier: Apache-2.0
//
// A row of `entries`: how tags are packed, and the checksum that every read verifies.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/hash.hpp"

#include "dcache/entry.hpp"

namespace dcache::store::sqlite {

/// Sorted tags as one blob: for each its length in two bytes, low byte first, then its bytes.
std::string pack_tags(std::span<const std::string> tags);

/// The opposite; empty if the blob is damaged.
std::optional<std::vector<std::string>> unpack_tags(std::string_view packed);

/// Everything of a row besides its value.
struct RowHead {
  std::string_view key;
  std::int64_t stored = 0;
  std::optional<std::int64_t> expires;
  std::int64_t format = 0;
  std::string_view tags;  ///< packed
  std::string_view file;  ///< packed; empty if the value is in the row
};

/// A row's checksum is `checksum(head)` plus the hash of the value, so that a new expiry needs only the old
/// head, not the value. Key and head are part of it: a row that answers for another key does not match.
std::uint64_t checksum(const RowHead& head) noexcept;

}  // namespace dcache::store::sqlite
