// SPDX-License-Identifier: Apache-2.0
//
// Looking at files and changing them behind the library's back. A database may only be read or written here
// while nothing in this process has it open: closing the file would drop SQLite's locks on it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace dcache::test {

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// Permission bits, of the link itself if it is one.
mode_t mode_of(const std::filesystem::path& path);

/// The bytes of every file in a directory, by name.
std::map<std::string, std::string> snapshot(const std::filesystem::path& directory);

}  // namespace dcache::test
