// SPDX-License-Identifier: Apache-2.0
//
// A file in memory, shared with all who map it. Keep it by shared_ptr while anyone uses or sleeps on it.
#pragma once

#include <cstddef>
#include <memory>

namespace dcache::platform {

/// Gives an open file `size` bytes at least, with the disk's room for them: touching a mapped page without
/// any would be SIGBUS. False with errno where it cannot be had.
[[nodiscard]] bool allocate(int fd, std::size_t size) noexcept;

class SharedMemory {
 public:
  /// Maps the first `size` bytes of an open file to read and write; the descriptor may be closed afterwards.
  /// The disk's room for them is taken before, as touching a page without any would be SIGBUS. Null with
  /// errno where that cannot be had. Who cuts the file short breaks this promise.
  static std::shared_ptr<SharedMemory> map(int fd, std::size_t size);

  SharedMemory(void* address, std::size_t size) noexcept : address_(address), size_(size) {}
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();

  /// What is at `offset`, which the caller knows to be a T.
  template <class T>
  [[nodiscard]] T& at(std::size_t offset) const noexcept {
    return *reinterpret_cast<T*>(static_cast<std::byte*>(address_) + offset);
  }

 private:
  void* const address_;
  const std::size_t size_;
};

}  // namespace dcache::platform
