// SPDX-License-Identifier: Apache-2.0
#include "platform/byte_lock.hpp"

#include <fcntl.h>
#include <pthread.h>

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

// Cancelled, some C libraries unwind the stack and others just leave it, so nothing here has a destructor,
// and nobody up the stack may be noexcept.
bool wait_for_byte(int fd, std::uint64_t offset) {
  struct flock lock = one_byte(F_RDLCK, offset);
  int result = 0;
  int error = 0;
  do {
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
#ifdef __GLIBC__
    result = ::fcntl(fd, F_OFD_SETLKW, &lock);
#else
    // Elsewhere this call may be no cancellation point.
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    result = ::fcntl(fd, F_OFD_SETLKW, &lock);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, nullptr);
#endif
    error = errno;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  } while (result != 0 && error == EINTR);
  if (result == 0) unlock_byte(fd, offset);
  return result == 0;
}

void unlock_byte(int fd, std::uint64_t offset) noexcept {
  struct flock lock = one_byte(F_UNLCK, offset);
  ::fcntl(fd, F_OFD_SETLK, &lock);
}

}  // namespace dcache::platform
