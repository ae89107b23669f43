// SPDX-License-Identifier: Apache-2.0
//
// Notices at once when other sessions end: one thread a session, parked in the kernel until it lets go of
// that session's byte in the `life` file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "platform/fork.hpp"

namespace dcache::store {

class DeathWatch {
 public:
  /// Called with no mutex held. It must not throw, nor keep what owns the watch alive.
  using Wake = std::function<void()>;

  /// Threads that nobody needs just now and that are kept all the same: waiters come and go.
  static constexpr std::size_t kIdleThreads = 8;

  DeathWatch();
  DeathWatch(const DeathWatch&) = delete;
  DeathWatch& operator=(const DeathWatch&) = delete;
  /// Ends all threads; objects that `watch` returned may live on. In a forked child it forgets them.
  ~DeathWatch();

  /// Calls `wake` once when nobody holds the write lock on `byte` any more, unless the returned object has
  /// gone before: from another thread, or in this call if it is so already. `file` must not be the open file
  /// that holds the caller's own byte. Null if there can be no such thread.
  [[nodiscard]] std::shared_ptr<void> watch(std::shared_ptr<const platform::ForkClosedFd> file,
                                            std::uint64_t byte, Wake wake);

 private:
  class Threads;
  struct Registration;

  std::shared_ptr<Threads> threads_;
};

}  // namespace dcache::store
