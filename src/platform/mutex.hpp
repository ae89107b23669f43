// SPDX-License-Identifier: Apache-2.0
//
// std::mutex with annotations, so that clang's -Wthread-safety checks every guarded member.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#if defined(__clang__)
#define DCACHE_TSA(x) __attribute__((x))
#else
#define DCACHE_TSA(x)
#endif

#define DCACHE_GUARDED_BY(m) DCACHE_TSA(guarded_by(m))
#define DCACHE_REQUIRES(m) DCACHE_TSA(requires_capability(m))

namespace dcache::platform {

class DCACHE_TSA(capability("mutex")) Mutex {
 public:
  void lock() DCACHE_TSA(acquire_capability()) { mutex_.lock(); }
  [[nodiscard]] bool try_lock() DCACHE_TSA(try_acquire_capability(true)) { return mutex_.try_lock(); }
  void unlock() DCACHE_TSA(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class DCACHE_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) DCACHE_TSA(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() DCACHE_TSA(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// A condition variable for Mutex. The caller holds the mutex, as annotated. It can be destroyed in a forked
/// child even if threads of its parent were waiting: the one of the C library would wait for them there.
class Condition {
 public:
  Condition();
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  ~Condition();

  void wait(Mutex& mutex) DCACHE_REQUIRES(mutex) { condition_->wait(mutex); }
  template <class TimePoint>
  std::cv_status wait_until(Mutex& mutex, TimePoint deadline) DCACHE_REQUIRES(mutex) {
    return condition_->wait_until(mutex, deadline);
  }
  void notify_one() { condition_->notify_one(); }
  void notify_all() { condition_->notify_all(); }

 private:
  std::unique_ptr<std::condition_variable_any> condition_;
  std::uint64_t fork_generation_;
};

}  // namespace dcache::platform
