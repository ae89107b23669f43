// SPDX-License-Identifier: Apache-2.0
//
// The stored form of a lock record: one line of JSON, the same bytes for the same record, so that a release
// can compare bytes instead of reading.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "locks/record.hpp"

namespace dcache::locking {

[[nodiscard]] std::string print(const LockRecord& record);

/// The record, or nothing if the text is not exactly what `print` could have made.
[[nodiscard]] std::optional<LockRecord> parse(std::string_view text);

[[nodiscard]] std::string_view name(Kind kind) noexcept;

}  // namespace dcache::locking
