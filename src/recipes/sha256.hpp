// SPDX-License-Identifier: Apache-2.0
//
// SHA-256, as FIPS 180-4 describes it: names for what is too long to be a name.
#pragma once

#include <string>
#include <string_view>

namespace dcache::recipes {

/// In 64 hexadecimal digits.
[[nodiscard]] std::string sha256(std::string_view bytes);

}  // namespace dcache::recipes
