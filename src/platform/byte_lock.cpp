// SPDX-License-Identifier: Apache-2.0
#include "platform/byte_lock.hpp"

#include <fcntl.h>

#include <cerrno>

namespace dcache::platform {

namespace {

struct flock one_byte(short type, std::uint64_t offset) noexcept {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = 1;
  return lock;
}

}  // namespace

bool lock_byte(int fd, std::uint64_t offset) noexcept {
  struct flock lock = one_byte(F_WRLCK, offset);
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

ByteState probe_byte(int fd, std::uint64_t offset) noexcept {
  struct flock lock = one_byte(F_RDLCK, offset);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) return ByteState::unknown;
  return lock.l_type == F_UNLCK ? ByteState::free : ByteState::locked;
}

}  // namespace dcache::platform
