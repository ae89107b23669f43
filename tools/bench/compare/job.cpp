// SPDX-License-Identifier: Apache-2.0
#include "compare/job.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "histogram.hpp"

namespace bench::compare {

using nlohmann::json;

json to_line(const Job& job) {
  return {{"work", job.work},      {"entries", job.entries}, {"value", job.value},
          {"calls", job.calls},    {"seconds", job.seconds}, {"seed", job.seed},
          {"begin", job.begin_ns}, {"hold", job.hold_us},    {"guarded", job.guarded}};
}

Job job_of(const json& line) {
  Job job;
  line.at("work").get_to(job.work);
  line.at("entries").get_to(job.entries);
  line.at("value").get_to(job.value);
  line.at("calls").get_to(job.calls);
  line.at("seconds").get_to(job.seconds);
  line.at("seed").get_to(job.seed);
  line.at("begin").get_to(job.begin_ns);
  line.at("hold").get_to(job.hold_us);
  line.at("guarded").get_to(job.guarded);
  return job;
}

void Series::add(std::uint64_t ns) {
  if (counts.empty()) counts.resize(kBuckets);
  ++calls;
  total_ns += ns;
  longest_ns = std::max(longest_ns, ns);
  ++counts[bucket_of(ns)];
}

void Series::merge(const Series& other) {
  calls += other.calls;
  total_ns += other.total_ns;
  guarded += other.guarded;
  longest_ns = std::max(longest_ns, other.longest_ns);
  wall_ns = std::max(wall_ns, other.wall_ns);
  if (counts.empty()) counts.resize(other.counts.size());
  for (std::size_t i = 0; i < other.counts.size(); ++i) counts[i] += other.counts[i];
}

json to_line(const Series& series) {
  json counts = json::array();
  for (std::size_t i = 0; i < series.counts.size(); ++i) {
    if (series.counts[i] > 0) counts.push_back({i, series.counts[i]});
  }
  return {{"work", series.work},          {"calls", series.calls},  {"total", series.total_ns},
          {"longest", series.longest_ns}, {"wall", series.wall_ns}, {"guarded", series.guarded},
          {"counts", std::move(counts)}};
}

Series series_of(const json& line) {
  Series series;
  line.at("work").get_to(series.work);
  line.at("calls").get_to(series.calls);
  line.at("total").get_to(series.total_ns);
  line.at("longest").get_to(series.longest_ns);
  line.at("wall").get_to(series.wall_ns);
  line.at("guarded").get_to(series.guarded);
  const json& counts = line.at("counts");
  if (!counts.empty()) series.counts.resize(kBuckets);
  for (const json& pair : counts) {
    series.counts.at(pair.at(0).get<std::size_t>()) = pair.at(1).get<std::uint64_t>();
  }
  return series;
}

}  // namespace bench::compare
