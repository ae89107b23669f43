// SPDX-License-Identifier: Apache-2.0
//
// What all runs came to: medians, tails and ratios, as JSON.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "compare/plan.hpp"

namespace bench::compare {

/// Four digits that matter.
[[nodiscard]] double rounded(double number);

class Results {
 public:
  /// `series` is what a peer did in a step of a run. Throws if that is nothing.
  void add(const Stage& stage, const Step& step, std::size_t run, const std::string& peer,
           const Series& series);
  void fail(const Stage& stage, const Step& step, const std::string& peer, const std::string& why);
  [[nodiscard]] bool failed() const noexcept { return failed_; }

  /// An object for each work: its name and sizes, and for each peer
  ///   us      microseconds a call, the median of all runs (with several processes: of the time that passes)
  ///   runs    the same, run by run
  ///   p50_us, p99_us, p999_us, longest_us, calls    of single calls, of all runs together
  ///   ratio   how many times `base`'s time it took, the median of what it was in each run
  [[nodiscard]] nlohmann::json to_json(const std::string& base) const;

 private:
  struct Row {
    std::map<std::size_t, double> us;  ///< by run
    Series all;
    std::string error;
  };
  struct Work {
    std::string name;
    std::size_t entries;
    std::size_t value;
    std::size_t processes;
    std::uint64_t hold_us;
    bool operator==(const Work&) const = default;
  };
  std::map<std::string, Row>& rows_of(const Work& work);
  static nlohmann::json to_json(const Row& row, const Row* base);

  std::vector<std::pair<Work, std::map<std::string, Row>>> works_;  ///< as they came
  bool failed_ = false;
};

}  // namespace bench::compare
