// SPDX-License-Identifier: Apache-2.0
//
// A file that a verb writes: there under its name when it is complete, or not at all.
#pragma once

#include <string>
#include <string_view>

namespace dcache::cli {

/// Throws Failure unless a file of that name can be made: something is there and `force` is not given, or the
/// directory cannot be used.
void check_new_file(const std::string& path, bool force);

/// Mode 0600. Until `finish` it has a hidden name in the same directory, and goes with the object.
class NewFile {
 public:
  NewFile(std::string path, bool force);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  void write(std::string_view bytes);
  /// To the disk and to its name.
  void finish();

 private:
  [[noreturn]] void fail(int error) const;

  const std::string path_;
  const bool force_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace dcache::cli
