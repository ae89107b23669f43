// SPDX-License-Identifier: Apache-2.0
//
// One peer in one stage: its directory, its server if it has one, and the processes that use it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "compare/plan.hpp"
#include "compare/process.hpp"

namespace bench::compare {

/// How the processes of a peer are started.
[[nodiscard]] std::vector<std::string> command_of(const Kind& kind, const std::string& diskcache_script,
                                                  const std::filesystem::path& directory);

class Side {
 public:
  /// Starts server and process. Throws if one of them does not come up.
  Side(const Kind& kind, const std::string& diskcache_script, const std::filesystem::path& parent);

  [[nodiscard]] const Kind& kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  /// Fills the store.
  void prepare(const Stage& stage);
  /// Throws if the peer fails; then its process is a new one.
  std::vector<Series> run(const Step& step, std::uint64_t seed);

 private:
  std::unique_ptr<Process> start();
  std::vector<Series> run_all(const Step& step, std::uint64_t seed);

  const Kind& kind_;
  const std::filesystem::path directory_;
  const std::vector<std::string> command_;
  std::string version_;
  std::unique_ptr<Process> server_;
  std::unique_ptr<Process> process_;
};

}  // namespace bench::compare
