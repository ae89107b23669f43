// SPDX-License-Identifier: Apache-2.0
//
// Turning a selected row of `entries` into an Entry. The statements that select one all begin with the same
// columns: stored, expires, format, sum, tags, file, value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dcache/entry.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/row.hpp"
#include "store/sqlite/statement.hpp"
#include "store/sqlite/value_files.hpp"

namespace dcache::store::sqlite {

inline constexpr int kSumColumn = 3;
inline constexpr int kValueColumn = 6;
inline constexpr int kFirstFreeColumn = 7;
// Where statements that list entries have these two.
inline constexpr int kKeyColumn = kFirstFreeColumn;
inline constexpr int kIdColumn = kFirstFreeColumn + 1;

/// The head of the selected row. It points into the row: valid until the next step.
RowHead head_of(const Statement& row, std::string_view key);

[[nodiscard]] inline bool expired(const RowHead& head, std::int64_t now) noexcept {
  return head.expires && *head.expires <= now;
}
/// By the clock, which costs a read a fiftieth: it is only asked where there is an end.
[[nodiscard]] inline bool expired(const RowHead& head) noexcept {
  return head.expires && *head.expires <= platform::now().unix_nanoseconds();
}

[[noreturn]] void throw_damaged(std::string_view key, const std::string& path, const std::string& why);

/// The hash that the value must have, by the row's checksum.
[[nodiscard]] std::uint64_t expected_hash(const Statement& row, const RowHead& head);

/// Where the value is, if not in the row. Throws Corrupt if that cannot be read.
[[nodiscard]] std::optional<FileRef> file_of(const RowHead& head, const std::string& path);

/// The value in the row, verified. Throws Corrupt, naming key and path.
[[nodiscard]] std::string_view verified_value(const Statement& row, const RowHead& head,
                                              const std::string& path);

/// All of the entry but its value.
[[nodiscard]] Entry entry_of(const Statement& row, const RowHead& head, const std::string& path);

}  // namespace dcache::store::sqlite
