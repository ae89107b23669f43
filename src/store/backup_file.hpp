// SPDX-License-Identifier: Apache-2.0
//
// The file that a backup is written to.
#pragma once

#include <cstdint>
#include <filesystem>

#include "platform/fork.hpp"

namespace dcache::store {

/// The file's place, checked: absolute and without symbolic links but for the name itself. Throws
/// InvalidArgument, AlreadyExists, IoError.
std::filesystem::path checked_place(const std::filesystem::path& file, bool overwrite);

// What both backups of one store and of several say.
[[noreturn]] void throw_damaged_backup(const std::filesystem::path& file);
[[noreturn]] void throw_no_room_for_backup(const std::filesystem::path& file);
/// `name` is what was found where a cache is to be restored.
[[noreturn]] void throw_cache_is_there(const std::filesystem::path& directory,
                                       const std::filesystem::path& name);

/// A new file, hidden beside the place where it is to be, that goes unless it gets there.
class Temporary {
 public:
  explicit Temporary(const std::filesystem::path& place);
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// To the disk, and to its name.
  void place(const std::filesystem::path& at, bool overwrite);

 private:
  std::filesystem::path path_;
  const std::uint64_t fork_generation_ = platform::fork_generation();
};

}  // namespace dcache::store
