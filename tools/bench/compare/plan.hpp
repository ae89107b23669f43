// SPDX-License-Identifier: Apache-2.0
//
// Which works are measured, on stores of which sizes, and for how long.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "compare/job.hpp"
#include "compare/peer.hpp"

namespace bench::compare {

struct Step {
  Job job;
  std::size_t processes = 1;
  bool fresh = false;  ///< done by a process that has just been started
};

/// Stores that are filled once, then measured in turn.
struct Stage {
  std::string name;  ///< what is told while it runs, and for --only
  std::size_t runs = 1;
  std::size_t entries = 0;
  std::size_t value = 128;
  std::vector<Step> steps;
};

struct Plan {
  std::string name;
  double minutes = 0;  ///< it does not begin what would end later
  std::vector<Stage> stages;
};

/// "quick", "full" or "tiny" (seconds, for tests), with stores of so many entries in place of its own if
/// there are any. Throws std::invalid_argument for any other.
[[nodiscard]] Plan plan_of(std::string_view name, const std::vector<std::size_t>& entries = {});

/// Whether a peer has what a step takes.
[[nodiscard]] bool can(const Kind& kind, const Stage& stage, const Step& step);

}  // namespace bench::compare
