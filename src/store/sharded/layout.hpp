// SPDX-License-Identifier: Apache-2.0
//
// Of which stores a cache in a directory is made.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "platform/directory.hpp"

namespace dcache::store::sharded {

/// What the first shard has stored of the others: who they are, in their order. None where there are none.
struct Layout {
  std::vector<std::string> parts;  ///< their uuids

  [[nodiscard]] std::string text() const;
  /// Throws NotACache if the store is a part itself, Corrupt.
  static Layout of(Store& first, const std::filesystem::path& directory);
};

/// The directory of a shard but the first, in that of the cache: "shard-01".
std::string part_name(std::size_t number);

/// The layout record of such a shard.
inline constexpr std::string_view kPart = "part";

/// Makes all but the first of `options.shards`, or finds them made and empty.
Layout make_parts(const platform::Directory& directory, Options options);

}  // namespace dcache::store::sharded
