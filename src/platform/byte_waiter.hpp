// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <cstdint>

namespace dcache::platform {

/// A thread that waits until no other open file description holds the write lock on one byte of a file. It
/// has a small stack and takes no signals.
class ByteWaiter {
 public:
  /// Called once on the thread when the wait is over: whether the byte is free (false: the system refused).
  using Ended = void (*)(void* context, bool free);

  ByteWaiter() = default;
  ByteWaiter(const ByteWaiter&) = delete;
  ByteWaiter& operator=(const ByteWaiter&) = delete;
  /// Breaks off the wait, or waits for the end of `ended`; the descriptor and the context must last until
  /// then. In a forked child, which does not have the thread, nothing.
  ~ByteWaiter();

  /// Whether the thread could be made. Once only.
  [[nodiscard]] bool start(int fd, std::uint64_t byte, Ended ended, void* context) noexcept;

 private:
  static void* run(void* self);

  int fd_ = -1;
  std::uint64_t byte_ = 0;
  Ended ended_ = nullptr;
  void* context_ = nullptr;
  pthread_t thread_{};
  std::uint64_t fork_generation_ = 0;  ///< in which the thread was made; 0 = not yet
};

}  // namespace dcache::platform
