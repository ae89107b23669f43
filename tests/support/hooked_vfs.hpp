// SPDX-License-Identifier: Apache-2.0
//
// SQLite's file layer with two holes in it, so that a test can let something happen at exactly the moment of
// a checkpoint at which it does the most harm.
#pragma once

#include <functional>

namespace dcache::test {

/// While it lives, every database that is opened goes through it. Each hook runs once, after it was armed, on
/// the thread that comes by; what it does itself arms nothing.
class HookedVfs {
 public:
  HookedVfs();
  HookedVfs(const HookedVfs&) = delete;
  HookedVfs& operator=(const HookedVfs&) = delete;
  ~HookedVfs();

  /// Runs `hook` when a checkpoint is about to take its lock.
  void before_checkpoint(std::function<void()> hook);
  /// Runs `hook` when a checkpoint has read the log's header and not yet copied anything; if there was a hook
  /// before one, in that same checkpoint.
  void amid_checkpoint(std::function<void()> hook);

  /// How many hooks have run.
  [[nodiscard]] int ran() const noexcept;
};

}  // namespace dcache::test
