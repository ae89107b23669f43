// SPDX-License-Identifier: Apache-2.0
//
// Which shard keeps a key. Part of the format on disk: another answer would make stored values unreachable.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace dcache::store::sharded {

/// What is between the first "{" that has a "}" behind it, and that, if it is not empty. The rule is that of
/// Redis Cluster's hash tags.
std::optional<std::string_view> part_in_braces(std::string_view key) noexcept;

/// The part of the key that decides: that in braces; of a key that ends in "#" and 19 digits, as those of a
/// queue's items do, what is before; otherwise all of it.
std::string_view deciding_part(std::string_view key) noexcept;

/// The shard of `count`, from 0: XXH3 (64 bits) of the deciding part, modulo `count`.
std::size_t shard_of(std::string_view key, std::size_t count) noexcept;

}  // namespace dcache::store::sharded
