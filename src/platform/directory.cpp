// SPDX-License-Identifier: Apache-2.0
#include "platform/directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/process.hpp"

namespace dcache::platform {

namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

FileId id_of(const struct stat& info) noexcept {
  return {static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino)};
}

FileInfo info_of(const struct stat& info) noexcept {
  FileType type = FileType::other;
  if (S_ISREG(info.st_mode)) type = FileType::regular;
  if (S_ISLNK(info.st_mode)) type = FileType::symlink;
  if (S_ISDIR(info.st_mode)) type = FileType::directory;
  return {type, id_of(info), static_cast<std::uint64_t>(info.st_size), info.st_uid, info.st_mtime};
}

void make_directory(const std::filesystem::path& path, Create create) {
  if (create == Create::never) {
    throw NotACache("there is no cache at " + in_quotes(path) + ": the directory does not exist");
  }
  const std::filesystem::path parent = path.parent_path();
  if (create == Create::parents && file_info(parent).type == FileType::missing)
    make_directory(parent, create);
  if (::mkdir(path.c_str(), kDirectoryMode) == 0 || errno == EEXIST) return;
  if (errno == ENOENT) {
    throw IoError("cannot make " + in_quotes(path) +
                  ": its parent directory does not exist; make it first, or open "
                  "the cache with Create::parents");
  }
  throw_errno("cannot make", path, errno);
}

struct NamedFileSystem {
  std::uint64_t magic;
  std::string_view name;
};

// File systems on which SQLite's locks or shared memory are known to fail without a sign.
constexpr std::array kRefusedFileSystems = {
    NamedFileSystem{0x6969, "NFS"},        NamedFileSystem{0x517B, "SMB"},
    NamedFileSystem{0xFF534D42, "CIFS"},   NamedFileSystem{0xFE534D42, "SMB2"},
    NamedFileSystem{0x01021997, "9p"},     NamedFileSystem{0x65735546, "FUSE or virtiofs"},
    NamedFileSystem{0x00C36400, "Ceph"},   NamedFileSystem{0x5346414F, "AFS"},
    NamedFileSystem{0x0BD00BD0, "Lustre"}, NamedFileSystem{0x786F4256, "vboxsf"},
    NamedFileSystem{0x47504653, "GPFS"},   NamedFileSystem{0x01161970, "GFS2"},
};

void check_file_system(const std::filesystem::path& path, const Options& options) {
  struct statfs info {};
  if (options.allow_network || ::statfs(path.c_str(), &info) != 0) return;
  const auto magic = static_cast<std::uint64_t>(info.f_type) & 0xFFFFFFFFU;
  for (const NamedFileSystem& refused : kRefusedFileSystems) {
    if (magic == refused.magic) {
      throw Unsupported(in_quotes(path) + " is on " + std::string(refused.name) +
                        ", where locks between processes can fail without a sign; use a local disk, or set "
                        "Options::allow_network if this machine has the directory to itself");
    }
  }
}

void check_owner(const std::filesystem::path& path, const struct stat& info, const Options& options) {
  if (options.allow_shared) return;
  if (info.st_uid != effective_user()) {
    throw Unsupported(in_quotes(path) + " belongs to user " + std::to_string(info.st_uid) + ", not to you (" +
                      std::to_string(effective_user()) +
                      "); use a directory of your own, or set Options::allow_shared if you trust that user");
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Unsupported(in_quotes(path) +
                      " can be written by group or others; run chmod go-w on it, or set "
                      "Options::allow_shared if you trust them");
  }
}

}  // namespace

std::string in_quotes(const std::filesystem::path& path) {
  return std::string("'").append(escape(path.native())).append("'");
}

std::string errno_text(const std::filesystem::path& path, int error) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): it is safe in glibc and musl
  return in_quotes(path) + ": " + std::strerror(error);
}

void throw_errno(const std::string& what, const std::filesystem::path& path, int error) {
  const std::string text = what + " " + errno_text(path, error);
  switch (error) {
    case EROFS:
    case EACCES:
    case EPERM:
      throw ReadOnly(text);
    case ENOSPC:
    case EDQUOT:
      throw Full(text);
    case EFBIG:
      throw Full(text + "; raise the limit of file size (ulimit -f)");
    case EMFILE:
    case ENFILE:
      throw IoError(text + "; raise the limit of open files or close some");
    default:
      throw IoError(text);
  }
}

Directory open_directory(const std::filesystem::path& path, const Options& options) {
  if (path.empty()) throw InvalidArgument("the directory of a cache cannot be an empty name");
  if (path.native().find('\0') != std::string::npos) {
    throw InvalidArgument("the directory " + in_quotes(path) + " has a NUL byte in its name");
  }
  std::error_code failed;
  std::filesystem::path absolute = std::filesystem::absolute(path, failed);
  if (failed) throw IoError("cannot resolve " + in_quotes(path) + ": " + failed.message());
  if (absolute.filename().empty()) absolute = absolute.parent_path();

  struct stat info {};
  if (::stat(absolute.c_str(), &info) != 0) {
    if (errno == ENOTDIR)
      throw InvalidArgument(in_quotes(absolute) + ": a part of this path is not a directory");
    if (errno != ENOENT) throw_errno("cannot open", absolute, errno);
    make_directory(absolute, options.create);
    if (::stat(absolute.c_str(), &info) != 0) throw_errno("cannot open", absolute, errno);
  }
  if (!S_ISDIR(info.st_mode)) {
    throw InvalidArgument(in_quotes(absolute) +
                          " is not a directory; a cache is a directory with files of its own");
  }
  const std::filesystem::path real = std::filesystem::canonical(absolute, failed);
  if (failed) throw IoError("cannot resolve " + in_quotes(absolute) + ": " + failed.message());
  if (::stat(real.c_str(), &info) != 0) throw_errno("cannot open", real, errno);
  check_owner(real, info, options);
  check_file_system(real, options);
  return {real, id_of(info)};
}

std::filesystem::path real_directory(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::path real = std::filesystem::canonical(path.empty() ? "." : path, failed);
  if (!failed && !std::filesystem::is_directory(real, failed) && !failed) {
    failed = std::make_error_code(std::errc::not_a_directory);
  }
  if (failed) throw_errno("cannot use the directory", path, failed.value());
  return real;
}

bool create_file(const std::filesystem::path& path) {
  if (::mknod(path.c_str(), S_IFREG | kFileMode, 0) == 0) {
    // The umask may have taken bits that we need.
    ::chmod(path.c_str(), kFileMode);
    return true;
  }
  if (errno == EEXIST) return false;
  throw_errno("cannot make", path, errno);
}

FileInfo file_info(const std::filesystem::path& path) noexcept {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info_of(info) : FileInfo{};
}

FileInfo file_info(int fd) noexcept {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info_of(info) : FileInfo{};
}

bool may_change(const std::filesystem::path& directory) noexcept {
  return ::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

int open_private_file(const std::filesystem::path& path, bool create) noexcept {
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
  return ::open(path.c_str(), flags, kFileMode);
}

FileId file_id(int fd) noexcept {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? id_of(info) : FileId{};
}

}  // namespace dcache::platform
