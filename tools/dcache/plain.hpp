// SPDX-License-Identifier: Apache-2.0
//
// Records as `--plain` prints them: for cut(1), awk(1) and read, without headings, exact, and stable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "record.hpp"

namespace dcache::cli {

/// The named fields in one line with tabs in between; a field that the record lacks is empty.
[[nodiscard]] std::string to_plain_row(const Record& record, const std::vector<std::string_view>& fields);

/// All fields in one line, in the record's own order.
[[nodiscard]] std::string to_plain_row(const Record& record);

/// A line `name<TAB>value` for each field.
[[nodiscard]] std::string to_plain_lines(const Record& record);

}  // namespace dcache::cli
