// SPDX-License-Identifier: Apache-2.0
#include "platform/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>

namespace dcache::platform {

namespace {

constexpr off_t kStatBlock = 512;

}  // namespace

bool allocate(int fd, std::size_t size) noexcept {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return false;
  // Where the kernel cannot allocate, the C library reads bytes and writes them back: not to a file that
  // others have mapped, unless it has holes.
  if (static_cast<std::uint64_t>(info.st_size) >= size && info.st_blocks * kStatBlock >= info.st_size) {
    return true;
  }
  int failed = 0;
  do {
    failed = ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  } while (failed == EINTR);
  errno = failed;
  return failed == 0;
}

std::shared_ptr<SharedMemory> SharedMemory::map(int fd, std::size_t size) {
  if (!allocate(fd, size)) return nullptr;
  void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return nullptr;
  return std::make_shared<SharedMemory>(address, size);
}

SharedMemory::~SharedMemory() { ::munmap(address_, size_); }

}  // namespace dcache::platform
