// SPDX-License-Identifier: Apache-2.0
#include "compare/results.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "histogram.hpp"
#include "support.hpp"

namespace bench::compare {

using nlohmann::json;

namespace {

double us_of(const Series& series) {
  const std::uint64_t ns = series.wall_ns > 0 ? series.wall_ns : series.total_ns;
  return static_cast<double>(ns) / 1e3 / static_cast<double>(std::max<std::uint64_t>(series.calls, 1));
}

}  // namespace

double rounded(double number) {
  if (number == 0) return 0;
  const double scale = std::pow(10.0, 3 - std::floor(std::log10(std::abs(number))));
  return std::round(number * scale) / scale;
}

std::map<std::string, Results::Row>& Results::rows_of(const Work& work) {
  const auto at =
      std::find_if(works_.begin(), works_.end(), [&](const auto& one) { return one.first == work; });
  if (at != works_.end()) return at->second;
  return works_.emplace_back(work, std::map<std::string, Row>{}).second;
}

void Results::add(const Stage& stage, const Step& step, std::size_t run, const std::string& peer,
                  const Series& series) {
  if (series.calls == 0) throw std::runtime_error("no call came to its end");
  Row& row = rows_of({series.work, stage.entries, stage.value, step.processes, step.job.hold_us})[peer];
  row.us[run] = us_of(series);
  row.all.merge(series);
}

void Results::fail(const Stage& stage, const Step& step, const std::string& peer, const std::string& why) {
  failed_ = true;
  rows_of({step.job.work, stage.entries, stage.value, step.processes, step.job.hold_us})[peer].error = why;
}

json Results::to_json(const Row& row, const Row* base) {
  if (row.us.empty()) return {{"error", row.error}};
  const auto us = [&](double part) {
    return rounded(static_cast<double>(quantile_ns(row.all.counts, part)) / 1e3);
  };
  std::vector<double> runs;
  std::vector<double> ratios;
  for (const auto& [run, mean] : row.us) {
    runs.push_back(rounded(mean));
    if (base != nullptr && base->us.contains(run)) ratios.push_back(mean / base->us.at(run));
  }
  json found{{"us", rounded(median(runs))},
             {"runs", runs},
             {"calls", row.all.calls},
             {"longest_us", rounded(static_cast<double>(row.all.longest_ns) / 1e3)}};
  if (!row.all.counts.empty()) {
    found["p50_us"] = us(0.5);
    found["p99_us"] = us(0.99);
    found["p999_us"] = us(0.999);
  }
  if (!ratios.empty()) found["ratio"] = rounded(median(ratios));
  if (!row.error.empty()) found["error"] = row.error;
  return found;
}

json Results::to_json(const std::string& base) const {
  json all = json::array();
  for (const auto& [work, rows] : works_) {
    const auto at = rows.find(base);
    json peers = json::object();
    for (const auto& [peer, row] : rows) peers[peer] = to_json(row, at == rows.end() ? nullptr : &at->second);
    all.push_back({{"work", work.name},
                   {"entries", work.entries},
                   {"value", work.value},
                   {"processes", work.processes},
                   {"hold_us", work.hold_us},
                   {"peers", std::move(peers)}});
  }
  return all;
}

}  // namespace bench::compare
