// SPDX-License-Identifier: Apache-2.0
//
// Processes that fight for one lock. Each is this very program, started anew with `--worker`, so that none
// inherits anything.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

#include "support.hpp"

namespace bench {

inline constexpr std::size_t kMostWorkers = 16;

/// What one worker tells.
struct Tally {
  std::uint64_t grants = 0;
  std::uint64_t longest_ns = 0;  ///< the longest wait for a grant
};

/// Memory that the workers and their starter share, in the file `fight` of a directory.
struct Fight {
  std::atomic<std::uint32_t> ready;
  std::atomic<std::uint32_t> go;
  std::atomic<std::uint32_t> stop;
  volatile std::uint64_t guarded;  ///< counted by whoever has the lock: shows a lock that two had at once
  std::array<Tally, kMostWorkers> tallies;
};

/// What is fought for. `keep` only keeps the cache open until it is stopped.
enum class Kind { dcache, flock, sqlite, keep };

[[nodiscard]] const char* name_of(Kind kind) noexcept;

/// Several workers of one kind, started and ready; each holds the lock for so long at a time, busily.
class Team {
 public:
  Team(const std::filesystem::path& directory, Kind kind, std::size_t workers, std::uint64_t hold_us);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  /// Lets them fight for a while, and ends them. Throws if two had the lock at once or one failed.
  const Fight& fight(double seconds);

 private:
  /// Ends them; whether none failed.
  bool end() noexcept;

  Fight* fight_;
  std::array<int, kMostWorkers> pids_{};
  std::size_t workers_;
};

/// The other end: what a worker's process does instead of the program's own work.
int work_for_team(Arguments& arguments);

}  // namespace bench
