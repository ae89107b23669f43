// SPDX-License-Identifier: Apache-2.0
//
// Entries in records, as all verbs that look at them show them.
#pragma once

#include <string_view>

#include "dcache/entry.hpp"
#include "record.hpp"

namespace dcache::cli {

/// The fields of `describe`, as `Command::fields` has them.
inline constexpr std::string_view kEntryFields = "key size format tags stored age expires left";

/// All about an entry but its value.
[[nodiscard]] Record describe(const Entry& entry);

}  // namespace dcache::cli
