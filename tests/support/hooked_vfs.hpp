// SPDX-License-Identifier: Apache-2.0
//
// SQLite's file layer with holes in it, so that a test can let something happen at exactly the moment of a
// checkpoint or a commit at which it does the most harm.
#pragma once

#include <functional>

namespace dcache::test {

/// While it lives, every database that is opened goes through it. The hooks of a checkpoint run once each,
/// after they were armed, on the thread that comes by; what they do themselves arms nothing.
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

  /// Runs `hook` before and after each call that locks the log, writes or syncs, and where a
  /// checkpoint has read the header; but for those that it makes
  /// itself; on the thread that makes the call, which must be the only one. Null: no more.
  void around_each_call(std::function<void()> hook);

  /// Runs `hook` before a database itself is brought to the disk, with how many writes to it that ends,
  /// through the same open file. Null: no more.
  void before_database_sync(std::function<void(int)> hook);

  /// How many hooks have run.
  [[nodiscard]] int ran() const noexcept;
};

}  // namespace dcache::test
