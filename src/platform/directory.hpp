// SPDX-License-Identifier: Apache-2.0
//
// A directory that is safe to keep a cache in, and its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "dcache/options.hpp"

namespace dcache::platform {

/// Names a file for as long as it exists.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

/// A checked directory: absolute, without symbolic links, ours alone unless `Options` say otherwise.
struct Directory {
  std::filesystem::path path;
  FileId id;
};

/// Finds or makes the directory (mode 0700). Throws InvalidArgument (not a directory), NotACache (missing,
/// with Create::never), Unsupported (owner, mode, file system), IoError; then nothing was made.
Directory open_directory(const std::filesystem::path& path, const Options& options);

/// The real path of a directory that must be there; an empty name is the working directory. Throws IoError.
std::filesystem::path real_directory(const std::filesystem::path& path);

/// Makes an empty file of mode 0600 without ever opening it, so that no lock on an existing one is dropped.
/// Whether it was made; false if anything of that name exists. Throws ReadOnly, Full, IoError.
bool create_file(const std::filesystem::path& path);

enum class FileType { missing, regular, symlink, directory, other };

struct FileInfo {
  FileType type = FileType::missing;
  FileId id;
  std::uint64_t size = 0;
  std::uint32_t owner = 0;
  std::int64_t changed = 0;  ///< when its bytes were last changed, in Unix seconds
};

/// What is at `path`; a symbolic link is not followed.
FileInfo file_info(const std::filesystem::path& path) noexcept;
FileInfo file_info(int fd) noexcept;

/// Whether this process may make and remove names in a directory.
bool may_change(const std::filesystem::path& directory) noexcept;

/// Opens a file of ours for reading and writing, never through a symbolic link; made with mode 0600 if
/// missing and `create`. The descriptor is closed on exec. -1 with errno on failure.
int open_private_file(const std::filesystem::path& path, bool create) noexcept;

/// The identity of an open file.
FileId file_id(int fd) noexcept;

/// A path as messages show it: escaped, between single quotes.
std::string in_quotes(const std::filesystem::path& path);

/// "PATH: reason" from an errno.
std::string errno_text(const std::filesystem::path& path, int error);

/// Throws the error class that fits an errno: ReadOnly, Full or IoError, with "what PATH: reason".
[[noreturn]] void throw_errno(const std::string& what, const std::filesystem::path& path, int error);

}  // namespace dcache::platform
