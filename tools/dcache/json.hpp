// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "record.hpp"

namespace dcache::cli {

/// The record as one line of JSON, newline included. Bytes that are not valid UTF-8 come out as base64 in a
/// field with `_b64` behind its name; times as seconds (since 1970 or in all), no end and nothing as null.
[[nodiscard]] std::string to_json(const Record& record);

}  // namespace dcache::cli
