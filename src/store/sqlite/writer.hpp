// SPDX-License-Identifier: Apache-2.0
//
// Who may use the one writing connection. Threads of this process queue here, before SQLite's own lock. Who
// had it last may take it back for a read of some microseconds, which a writer waits for whatever its
// deadline.
#pragma once

#include <atomic>
#include <cstdint>

#include "dcache/store.hpp"
#include "platform/mutex.hpp"

namespace dcache::store::sqlite {

class WriterSlot {
 public:
  /// Waits for the slot; false if the deadline passes first, but a read is waited for in any case. Never
  /// called by the thread that has it.
  [[nodiscard]] bool acquire(Deadline deadline);
  /// Takes it for a short read, without waiting, if the calling thread had it last and nobody wants it.
  [[nodiscard]] bool take_back();
  void release();

  /// Whether the calling thread has the slot.
  [[nodiscard]] bool mine() const noexcept;

 private:
  platform::Mutex mutex_;
  platform::Condition freed_;
  bool taken_ DCACHE_GUARDED_BY(mutex_) = false;
  bool reading_ DCACHE_GUARDED_BY(mutex_) = false;
  int waiting_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::atomic<std::uint64_t> owner_{0};
  std::atomic<std::uint64_t> last_owner_{0};
};

}  // namespace dcache::store::sqlite
