// SPDX-License-Identifier: Apache-2.0
#include "new_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "errors.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

namespace fs = std::filesystem;

fs::path directory_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

[[noreturn]] void refuse_existing(const std::string& path) {
  throw Failure(kRefused, in_quotes(path) +
                              " is there already and was left as it is; choose another name, or "
                              "give --force to replace it");
}

}  // namespace

void check_new_file(const std::string& path, bool force) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) throw UsageError(in_quotes(path) + " is a directory; give the name of a file");
    if (!force) refuse_existing(path);
  }
  if (::access(directory_of(path).c_str(), W_OK | X_OK) == 0) return;
  const int error = errno;
  throw Failure(kCannotMake, "cannot make " + in_quotes(path) + ": " + errno_text(error));
}

NewFile::NewFile(std::string path, bool force)
    : path_(std::move(path)), force_(force), temporary_((directory_of(path_) / ".dcache-XXXXXX").native()) {
  check_new_file(path_, force_);
  fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ >= 0) return;
  const int error = errno;
  throw Failure(kCannotMake, "cannot make " + in_quotes(path_) + ": " + errno_text(error));
}

NewFile::~NewFile() {
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void NewFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      fail(errno);
    }
  }
}

void NewFile::finish() {
  if (::fsync(fd_) != 0) fail(errno);
  if (force_) {
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  } else if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) refuse_existing(path_);
    // Where the file system cannot do that in one step.
    if (errno != EINVAL) fail(errno);
    if (::link(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
    ::unlink(temporary_.c_str());
  }
  temporary_.clear();
}

void NewFile::fail(int error) const {
  throw Failure(kIo, "cannot write " + in_quotes(path_) + ": " + errno_text(error) +
                         "; what was written of it was removed");
}

}  // namespace dcache::cli
