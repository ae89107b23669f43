// SPDX-License-Identifier: Apache-2.0
//
// Asking for a lock, as `lock run` and `lock acquire` do: their common options, and the wait.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "context.hpp"
#include "dcache/lock.hpp"
#include "dcache/rw_lock.hpp"
#include "dcache/semaphore.hpp"

namespace dcache::cli {

struct Asking {
  std::string key = {};
  bool shared = false;
  bool exclusive = false;
  bool no_wait = false;
  bool fair = false;
  bool verbose = false;
  std::optional<std::uint64_t> permits = {};
  std::optional<Duration> wait = {};
  std::optional<std::uint64_t> busy_code = {};
  Lifetime lease = {};
  std::string label = {};
  std::vector<std::string> tags = {};

  /// The key, and the options with the letters and meanings of flock(1), then ours.
  [[nodiscard]] std::vector<Argument> arguments();
  /// Throws UsageError for options that exclude each other.
  void check() const;
};

/// A lock that is asked for, of whatever kind.
class Grip {
 public:
  /// `keep`: the grant outlives the process.
  Grip(const Context& context, Cache& cache, const Asking& asking, bool keep);

  /// Waits as long as it is to; whether the lock is held then. If not, tells a person who holds it.
  [[nodiscard]] bool take();

  [[nodiscard]] LockHandle& lock() noexcept {
    if (shared_) return *shared_;
    if (counted_) return *counted_;
    return *exclusive_;
  }

 private:
  const Context& context_;
  const Asking& asking_;
  std::optional<SyncLock> exclusive_;
  std::optional<SyncRWLock> shared_;
  std::optional<Semaphore> counted_;
};

/// The tokens of the locks that this process runs under, the innermost first: DCACHE_LOCK_TOKEN.
[[nodiscard]] std::vector<std::string> tokens_above();

/// Of a list of tokens, as DCACHE_LOCK_TOKEN has it, the parts.
[[nodiscard]] std::vector<std::string> split_tokens(const std::string& list);

/// Has `lock` take up the grant of its key that this process runs under; whether there is one. Throws Failure
/// if that is a shared one, which does not do for `asking`.
[[nodiscard]] bool adopt_from_above(const Cache& cache, LockHandle& lock, const Asking& asking);

}  // namespace dcache::cli
