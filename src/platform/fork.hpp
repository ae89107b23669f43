// SPDX-License-Identifier: Apache-2.0
//
// What fork(2) means for us: a child owns none of its parent's locks, and may not touch its SQLite handles.
#pragma once

#include <cstdint>
#include <memory>

#include "platform/mutex.hpp"

namespace dcache::platform {

/// Changes in every forked child: what was made under another generation belongs to the parent.
std::uint64_t fork_generation() noexcept;

/// Keeps what belongs to the parent, and what a child may neither use nor destroy, where leak checkers find
/// it.
void keep_for_parent(std::shared_ptr<void> thing);

/// Guards the process-wide registries. Held across fork, so that a child never inherits it locked by a thread
/// that it does not have.
Mutex& registry_mutex() noexcept;

/// Held by threads of the library while they do what a fork must not cut in two: it waits for them. Locked
/// before any other mutex.
Mutex& work_mutex() noexcept;

/// A file descriptor that a forked child closes at once. Closing drops nothing that the parent has locked on
/// it (open-file-description locks stay with the parent's copy).
class ForkClosedFd {
 public:
  ForkClosedFd() = default;
  explicit ForkClosedFd(int fd);
  ForkClosedFd(const ForkClosedFd&) = delete;
  ForkClosedFd& operator=(const ForkClosedFd&) = delete;
  ~ForkClosedFd();

  void reset(int fd);
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  friend struct ForkHandlers;
  void close_now() noexcept;

  int fd_ = -1;
  ForkClosedFd* next_ = nullptr;
  ForkClosedFd* previous_ = nullptr;
};

}  // namespace dcache::platform
