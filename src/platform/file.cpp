// SPDX-License-Identifier: Apache-2.0
#include "platform/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <utility>

#include "dcache/error.hpp"
#include "platform/directory.hpp"

namespace dcache::platform {

namespace {

bool missing(int error) noexcept { return error == ENOENT || error == ENOTDIR; }

}  // namespace

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), size_(other.size_), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
    size_ = other.size_;
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() { close(); }

void File::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool File::create(std::string path) {
  close();
  path_ = std::move(path);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd_ >= 0) return true;
  if (missing(errno)) return false;
  throw_errno("cannot make", path_, errno);
}

bool File::open(std::string path) {
  close();
  path_ = std::move(path);
  fd_ = ::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) {
    if (missing(errno)) return false;
    throw_errno("cannot open", path_, errno);
  }
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    close();
    throw Corrupt(errno_text(path_, EINVAL) + ": a value file must be a regular file");
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
  return true;
}

void File::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      throw_errno("cannot write", path_, errno);
    }
  }
}

std::size_t File::read(char* buffer, std::size_t size) {
  for (;;) {
    const ssize_t n = ::read(fd_, buffer, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) throw_errno("cannot read", path_, errno);
  }
}

void File::sync() {
  if (::fdatasync(fd_) != 0) throw_errno("cannot flush", path_, errno);
}

void make_directories(const std::filesystem::path& base, const std::filesystem::path& below) {
  std::filesystem::path at = base;
  for (const std::filesystem::path& part : below) {
    at /= part;
    if (::mkdir(at.c_str(), 0700) != 0 && errno != EEXIST) throw_errno("cannot make", at, errno);
  }
}

void sync_directory(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_errno("cannot open", path, errno);
  const int failed = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failed != 0) throw_errno("cannot flush", path, failed);
}

bool link_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return true;
  if (missing(errno)) return false;
  throw_errno("cannot make", to, errno);
}

bool rename_file(const std::filesystem::path& from, const std::filesystem::path& to) noexcept {
  return ::rename(from.c_str(), to.c_str()) == 0;
}

bool rename_new(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  // Not every file system can do that in one step. The second way knows files only; none makes directories
  // so.
  if (errno == EINVAL && ::link(from.c_str(), to.c_str()) == 0) {
    ::unlink(from.c_str());
    return true;
  }
  if (errno == EEXIST) return false;
  throw_errno("cannot make", to, errno);
}

bool remove_file(const std::filesystem::path& path) noexcept { return ::unlink(path.c_str()) == 0; }

void remove_tree(const std::filesystem::path& path) noexcept {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

void remove_empty_directory(const std::filesystem::path& path) noexcept { ::rmdir(path.c_str()); }

void sync_file_system(const std::filesystem::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_errno("cannot open", directory, errno);
  const int failed = ::syncfs(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failed != 0) throw_errno("cannot flush", directory, failed);
}

std::uint64_t free_bytes(const std::filesystem::path& directory) noexcept {
  std::error_code failed;
  const std::filesystem::space_info space = std::filesystem::space(directory, failed);
  return failed ? std::numeric_limits<std::uint64_t>::max() : space.available;
}

bool reserve_room(const std::filesystem::path& path, std::uint64_t bytes) noexcept {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  struct stat info {};
  const bool known = ::fstat(fd, &info) == 0;
  bool reserved = known && static_cast<std::uint64_t>(info.st_size) >= bytes;
  if (known && !reserved) {
    reserved = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes)) == 0;
    // Some of it may have been had; where even this fails, less remains for others, no harm is done.
    if (!reserved && ::ftruncate(fd, info.st_size) != 0) reserved = false;
  }
  ::close(fd);
  return reserved;
}

bool give_back_room(const std::filesystem::path& path, std::uint64_t keep) noexcept {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         static_cast<std::uint64_t>(info.st_size) > keep &&
         ::truncate(path.c_str(), static_cast<off_t>(keep)) == 0;
}

std::vector<std::string> names_in(const std::filesystem::path& path) {
  std::vector<std::string> names;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(path, failed), end; !failed && at != end;
       at.increment(failed)) {
    names.push_back(at->path().filename().native());
  }
  if (failed && !missing(failed.value())) throw_errno("cannot list", path, failed.value());
  return names;
}

std::size_t read_descriptor(int fd, char* buffer, std::size_t size) {
  for (;;) {
    const ssize_t n = ::read(fd, buffer, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) throw_errno("cannot read", "descriptor " + std::to_string(fd), errno);
  }
}

void write_descriptor(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      // Never Full: the cache has room.
      throw IoError("cannot write " + errno_text("descriptor " + std::to_string(fd), errno));
    }
  }
}

}  // namespace dcache::platform
