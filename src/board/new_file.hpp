// SPDX-License-Identifier: Apache-2.0
//
// Files of hints come to be whole: nobody ever finds half of one.
#pragma once

#include <filesystem>
#include <string_view>

namespace dcache::board {

enum class Replace {
  nothing,  ///< if there is one already, the first wins
  whatever_is_there,
};

/// Writes a file under another name, then gives it its own. Throws Error if it cannot.
void put_file(const std::filesystem::path& path, std::string_view bytes, Replace replace);

}  // namespace dcache::board
