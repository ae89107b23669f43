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

/// Whether this process may make such files: who owns the directory, as another's would be of no use to the
/// owner, and can write to it; nobody whose next byte in a file may be SIGXFSZ.
bool may_put_files(const std::filesystem::path& directory);

/// Writes a file under another name, then gives it its own. Throws Error if it cannot.
void put_file(const std::filesystem::path& path, std::string_view bytes, Replace replace);

}  // namespace dcache::board
