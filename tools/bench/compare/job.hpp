// SPDX-License-Identifier: Apache-2.0
//
// What the program asks of the processes that it measures in, and what they answer: one line of JSON each, so
// that a process can be of another language.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace bench::compare {

struct Job {
  std::string work;            ///< a name that workloads.cpp knows
  std::size_t entries = 0;     ///< that are in the store
  std::size_t value = 128;     ///< bytes of each value
  std::size_t calls = 0;       ///< at most
  double seconds = 0;          ///< at most
  std::uint64_t seed = 1;      ///< for what is chosen by chance
  std::uint64_t begin_ns = 0;  ///< on the monotonic clock, for several processes at once
  std::uint64_t hold_us = 0;   ///< how long a lock is held, busily
  std::string guarded = {};    ///< a file of eight bytes which whoever has the lock counts in
};

[[nodiscard]] nlohmann::json to_line(const Job& job);
[[nodiscard]] Job job_of(const nlohmann::json& line);

/// Times of calls of one sort.
struct Series {
  std::string work;  ///< what people call it
  std::uint64_t calls = 0;
  std::uint64_t total_ns = 0;  ///< of the calls
  std::uint64_t longest_ns = 0;
  std::uint64_t wall_ns = 0;  ///< that passed; what counts when there are several processes
  std::uint64_t guarded = 0;  ///< how often `Job::guarded` was counted in
  std::vector<std::uint64_t> counts =
      {};  ///< by bucket, see histogram.hpp; empty if single calls were not timed

  void add(std::uint64_t ns);
  /// What another process did at the same time.
  void merge(const Series& other);
};

[[nodiscard]] nlohmann::json to_line(const Series& series);
[[nodiscard]] Series series_of(const nlohmann::json& line);

}  // namespace bench::compare
