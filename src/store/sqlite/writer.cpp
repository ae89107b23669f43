// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/writer.hpp"

#include <algorithm>
#include <thread>

#include "platform/process.hpp"

namespace dcache::store::sqlite {

namespace {

/// More than a read takes, unless its thread was put aside.
constexpr int kLooksAtReader = 100;
/// Then it is waited for asleep, for so long if the deadline is earlier.
constexpr auto kReaderGrace = std::chrono::milliseconds(100);

}  // namespace

bool WriterSlot::acquire(Deadline deadline) {
  platform::MutexLock lock(mutex_);
  ++waiting_;
  for (int looks = 0; reading_ && looks < kLooksAtReader; ++looks) {
    mutex_.unlock();
    std::this_thread::yield();
    mutex_.lock();
  }
  if (reading_) deadline = std::max(deadline, std::chrono::steady_clock::now() + kReaderGrace);
  while (taken_) {
    if (deadline == kNoDeadline) {
      freed_.wait(mutex_);
    } else if (freed_.wait_until(mutex_, deadline) == std::cv_status::timeout && taken_) {
      --waiting_;
      return false;
    }
  }
  --waiting_;
  taken_ = true;
  owner_.store(platform::thread_agent(), std::memory_order_relaxed);
  return true;
}

bool WriterSlot::take_back() {
  const std::uint64_t me = platform::thread_agent();
  if (last_owner_.load(std::memory_order_relaxed) != me) return false;
  platform::MutexLock lock(mutex_);
  if (taken_ || waiting_ > 0 || last_owner_.load(std::memory_order_relaxed) != me) return false;
  taken_ = true;
  reading_ = true;
  owner_.store(me, std::memory_order_relaxed);
  return true;
}

void WriterSlot::release() {
  bool wake = false;
  {
    platform::MutexLock lock(mutex_);
    last_owner_.store(owner_.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
    taken_ = false;
    reading_ = false;
    wake = waiting_ > 0;
  }
  if (wake) freed_.notify_one();
}

bool WriterSlot::mine() const noexcept {
  return owner_.load(std::memory_order_relaxed) == platform::thread_agent();
}

}  // namespace dcache::store::sqlite
