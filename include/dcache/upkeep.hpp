// SPDX-License-Identifier: Apache-2.0
//
// What `Cache::backup`, `Cache::restore` and `Cache::compact` take and answer.
#pragma once

#include <cstdint>
#include <functional>

namespace dcache {

/// Told now and then how much of some work is done; `total` is an estimate that `done` reaches at the end, or
/// 0 where none can be had. What it throws ends the work, which is undone as far as the call says, and comes
/// out of the call.
using OnProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct BackupOptions {
  /// Replaces a file of that name. Without it one that exists is AlreadyExists, and left as it is.
  bool overwrite = false;
  OnProgress on_progress = {};
};

struct CompactOptions {
  OnProgress on_progress = {};
};

/// What `Cache::compact` did.
struct CompactReport {
  std::uint64_t before = 0;   ///< bytes on the disk: database and value files
  std::uint64_t after = 0;    ///< the same, afterwards
  std::uint64_t expired = 0;  ///< values removed because their time was over
  /// Whether all was given back. If not, a reader was in the way: a later checkpoint does the rest.
  bool complete = true;
};

}  // namespace dcache
