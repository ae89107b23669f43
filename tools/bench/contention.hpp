// SPDX-License-Identifier: Apache-2.0
//
// The parts of bench-contention. Each prints its table, and uses `directory` for its files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace bench {

/// How long it takes to open a cache that exists.
void measure_open(const std::filesystem::path& directory);

struct FightOptions {
  std::vector<std::size_t> workers;
  std::vector<std::size_t> holds;  ///< microseconds
  std::size_t runs;
  double seconds;
};

/// What every number of processes gets of one lock, at every hold.
void measure_fights(const std::filesystem::path& directory, const FightOptions& options);

/// How evenly many waiters share one lock.
void measure_fairness(const std::filesystem::path& directory, const FightOptions& options);

/// What every number of processes gets that write to one cache.
void measure_writers(const std::filesystem::path& directory, const FightOptions& options);

/// What shared grants and permits cost beside exclusive ones, alone and in every number of processes.
void measure_sharing(const std::filesystem::path& directory, const FightOptions& options);

/// How soon a waiting process holds the lock whose holder is killed.
void measure_kills(const std::filesystem::path& directory, std::size_t rounds);

}  // namespace bench
