// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace dcache::store::sqlite {

/// Counts one user for as long as it lives.
class InUse {
 public:
  explicit InUse(std::atomic<int>& count) noexcept : count_(count) {
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() { count_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<int>& count_;
};

}  // namespace dcache::store::sqlite
