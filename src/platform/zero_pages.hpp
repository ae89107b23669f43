// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace dcache::platform {

/// Memory of the process's own, all zeros, at the start of a page. A page of it takes up memory from when it
/// is first written to.
class ZeroPages {
 public:
  explicit ZeroPages(std::size_t size) noexcept;
  ZeroPages(const ZeroPages&) = delete;
  ZeroPages& operator=(const ZeroPages&) = delete;
  ~ZeroPages();

  /// Null if there was no room.
  [[nodiscard]] std::byte* data() const noexcept { return data_; }

 private:
  const std::size_t size_;
  std::byte* data_ = nullptr;
};

}  // namespace dcache::platform
