// SPDX-License-Identifier: Apache-2.0
//
// Turning a selected row of `entries` into an Entry. The statements that select one all begin with the same
// columns: stored, expires, format, sum, tags, value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dcache/entry.hpp"
#include "store/sqlite/row.hpp"
#include "store/sqlite/statement.hpp"

namespace dcache::store::sqlite {

inline constexpr int kSumColumn = 3;
inline constexpr int kValueColumn = 5;

/// The head of the selected row. It points into the row: valid until the next step.
RowHead head_of(const Statement& row, std::string_view key);

[[nodiscard]] inline bool expired(const RowHead& head, std::int64_t now) noexcept {
  return head.expires && *head.expires <= now;
}

/// Throws Corrupt, naming key and path, if the checksum does not match.
void verify(const Statement& row, const RowHead& head, const std::string& path);

/// The whole entry, verified; without its value nothing can be verified but the shape of its tags.
Entry entry_of(const Statement& row, const RowHead& head, const std::string& path, bool with_value);

}  // namespace dcache::store::sqlite
