// SPDX-License-Identifier: Apache-2.0
//
// Processes at one lock. Each is this very program, started anew with `--worker`, so that none inherits
// anything. None outlives its starter, and one that hangs is named and killed.
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "contenders.hpp"
#include "histogram.hpp"
#include "support.hpp"

namespace bench {

inline constexpr std::size_t kMostWorkers = 256;
/// What one processor writes shall not slow the others.
inline constexpr std::size_t kCacheLine = 64;

/// What one worker tells.
struct alignas(kCacheLine) Tally {
  std::uint64_t early = 0;  ///< grants before the start, while others may not have come yet
  std::uint64_t grants = 0;
  std::uint64_t longest_ns = 0;  ///< the longest wait for a grant
  std::uint64_t end_ns = 0;      ///< when it had unlocked for the last time
};

/// Memory that the workers and their starter share.
struct Fight {
  std::atomic<std::uint32_t> ready{0};
  std::atomic<std::uint32_t> go{0};
  std::atomic<std::uint32_t> stop{0};
  std::atomic<std::uint64_t> granted_ns{0};  ///< when a Role::wait got the lock
  std::uint64_t begin_ns = 0;                ///< from here on it counts
  /// Counted by whoever has the lock: shows a lock that two had at once.
  alignas(kCacheLine) volatile std::uint64_t guarded = 0;
  pthread_mutex_t mutex{};
  std::array<Tally, kMostWorkers> tallies{};
  std::array<std::atomic<std::uint32_t>, kBuckets> times{};  ///< what writes took
};

/// A new Fight, in the file `fight` of a directory.
class Arena {
 public:
  explicit Arena(const std::filesystem::path& directory);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  Fight* operator->() const noexcept { return fight_; }
  Fight& operator*() const noexcept { return *fight_; }

 private:
  Fight* fight_;
};

enum class Role {
  fight,  ///< locks and unlocks from `go` to `stop`
  write,  ///< writes, or locks and unlocks, from `go` to `stop`, whoever else does at the same time
  keep,   ///< has the lock's files open until `stop`
  hold,   ///< locks, is ready, and never unlocks
  wait,   ///< is ready, locks, notes the time, and ends
};

struct Task {
  Role role = Role::fight;
  Kind kind = Kind::flock;
  std::size_t slot = 0;
  std::uint64_t hold_us = 0;  ///< how long a grant is held, busily; for `write`, of the processor's time
};

/// One process. Killed at the end unless it has ended.
class Worker {
 public:
  /// Started and counted in `ready`, which is then `position`. Throws if it does not get there.
  Worker(const std::filesystem::path& directory, Fight& fight, const Task& task, std::uint32_t position);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// When, in now_ns(), it was killed; 0 if it had ended.
  std::uint64_t kill() noexcept;
  /// Waits for its end. Throws if it hangs or fails.
  void join();

 private:
  /// Sleeps until `done`, or throws when that takes too long.
  void wait_until(const std::function<bool()>& done, const std::string& what);
  /// Whether it has ended; its status is then known.
  bool ended() noexcept;

  std::string name_;
  pid_t pid_ = 0;
  int status_ = 0;
};

/// Several workers of one kind, started and ready.
class Team {
 public:
  Team(const std::filesystem::path& directory, Role role, Kind kind, std::size_t workers,
       std::uint64_t hold_us = 0);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  /// Lets them fight for a while, and ends them. Throws if two had the lock at once or one failed.
  const Fight& fight(double seconds);

 private:
  void end();

  const Role role_;
  const Kind kind_;
  Arena arena_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

/// The other end: what a worker's process does instead of the program's own work.
int work_for_team(Arguments& arguments);

}  // namespace bench
