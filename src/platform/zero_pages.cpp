// SPDX-License-Identifier: Apache-2.0
#include "platform/zero_pages.hpp"

#include <sys/mman.h>

namespace dcache::platform {

ZeroPages::ZeroPages(std::size_t size) noexcept : size_(size) {
  void* const address =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return;
  // Else the first byte might take two mebibytes.
  ::madvise(address, size, MADV_NOHUGEPAGE);
  data_ = static_cast<std::byte*>(address);
}

ZeroPages::~ZeroPages() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace dcache::platform
