// SPDX-License-Identifier: Apache-2.0
#include "platform/fork.hpp"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <utility>
#include <vector>

namespace dcache::platform {

namespace {

std::atomic<std::uint64_t> g_generation{1};
Mutex g_list_mutex;
ForkClosedFd* g_first = nullptr;

}  // namespace

// Lock order: work mutex, registry mutex, list mutex.
struct ForkHandlers {
  static void prepare() DCACHE_TSA(no_thread_safety_analysis) {
    work_mutex().lock();
    registry_mutex().lock();
    g_list_mutex.lock();
  }
  static void parent() DCACHE_TSA(no_thread_safety_analysis) {
    g_list_mutex.unlock();
    registry_mutex().unlock();
    work_mutex().unlock();
  }
  static void child() DCACHE_TSA(no_thread_safety_analysis) {
    g_generation.fetch_add(1, std::memory_order_relaxed);
    for (ForkClosedFd* at = g_first; at != nullptr; at = at->next_) at->close_now();
    parent();
  }
  ForkHandlers() { pthread_atfork(&prepare, &parent, &child); }
};

namespace {

const ForkHandlers kHandlers;

}  // namespace

std::uint64_t fork_generation() noexcept { return g_generation.load(std::memory_order_relaxed); }

// Never destroyed: other objects of static life may still use them at exit.

Mutex& registry_mutex() noexcept {
  static auto* const mutex = new Mutex;
  return *mutex;
}

Mutex& work_mutex() noexcept {
  static auto* const mutex = new Mutex;
  return *mutex;
}

void keep_for_parent(std::shared_ptr<void> thing) {
  static Mutex mutex;
  static auto* const kept = new std::vector<std::shared_ptr<void>>;
  MutexLock lock(mutex);
  kept->push_back(std::move(thing));
}

ForkClosedFd::ForkClosedFd(int fd) { reset(fd); }

ForkClosedFd::~ForkClosedFd() { reset(-1); }

void ForkClosedFd::close_now() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void ForkClosedFd::reset(int fd) {
  MutexLock lock(g_list_mutex);
  const bool was_listed = fd_ >= 0 || next_ != nullptr || previous_ != nullptr || g_first == this;
  close_now();
  fd_ = fd;
  if (fd >= 0 && !was_listed) {
    next_ = g_first;
    if (g_first != nullptr) g_first->previous_ = this;
    g_first = this;
  } else if (fd < 0 && was_listed) {
    if (next_ != nullptr) next_->previous_ = previous_;
    (previous_ != nullptr ? previous_->next_ : g_first) = next_;
    next_ = previous_ = nullptr;
  }
}

}  // namespace dcache::platform
