// SPDX-License-Identifier: Apache-2.0
//
// What is measured on dcache and on raw SQLite in turn. Nothing here needs Google Benchmark, so that
// `dcache bench` can use it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/options.hpp"
#include "rivals.hpp"
#include "workload.hpp"

namespace bench {

using Chosen = std::span<const std::string_view>;

/// Whose keys a work is done on.
enum class On {
  present,
  few,  ///< of those that are present, always the same: copies in memory answer
  absent,
  counters,
};

struct Work {
  std::string name;
  On on = On::present;
  std::size_t slice = 1000;  ///< operations between two looks at the clock
  bool sized = true;         ///< whether the size of the value matters
  std::function<void(Rival&, Chosen, Values&)> run;
  /// Puts things back as they were; not measured.
  std::function<void(Rival&, Chosen, Values&)> undo = {};
  std::size_t each = 1;  ///< keys that make one operation
  /// Whether it is done by a process that has read these keys before.
  bool warm = false;
};

[[nodiscard]] std::vector<Work> works();

/// What a run has found, in microseconds an operation.
struct Times {
  std::vector<double> raw;
  std::vector<double> ours;
  std::vector<double> ratios;
};

enum class Sides { both, raw, ours };

/// Both sides with the same entries.
class Arena {
 public:
  Arena(const std::filesystem::path& directory, std::size_t entries, std::size_t value_size,
        const dcache::Options& options);

  /// Opens our side anew with other options: the same entries.
  void reopen(const dcache::Options& options);

  /// What a work asks for before its first run: reads all its keys, of very many entries a part of them.
  void prepare(const Work& work, Sides sides = Sides::both);

  /// One run of about `seconds`: slices of one side and of the other in turn.
  void run(const Work& work, double seconds, Times& times, Sides sides = Sides::both);

 private:
  double slice(const Work& work, Rival& side, Chosen keys);
  [[nodiscard]] const std::vector<std::string>& keys_for(On on) const;

  const std::filesystem::path directory_;
  Random random_;
  std::vector<std::string> present_;
  std::vector<std::string> few_;
  std::vector<std::string> absent_;
  std::vector<std::string> counters_;
  Values values_;
  const bool large_;
  std::unique_ptr<Rival> raw_;
  std::unique_ptr<Rival> ours_;
};

}  // namespace bench
