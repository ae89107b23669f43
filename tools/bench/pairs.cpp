// SPDX-License-Identifier: Apache-2.0
//
// dcache beside raw SQLite, work by work: the same keys and values in the same order, in one process, in
// slices of some milliseconds that alternate between the two, so that whatever else the machine does hits
// both. A time is the median of the runs; the ratio is the median of the runs' own ratios.
#include <sqlite3.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "arena.hpp"
#include "dcache/version.hpp"
#include "support.hpp"
#include "table.hpp"

namespace {

using bench::fixed;

constexpr std::string_view kUsage =
    "usage: bench-pairs [--quick] [--json FILE] [--dir DIR] [--runs N] [--seconds S]\n"
    "                   [--value BYTES,...] [--entries N,...] [--work NAME] [--only raw|dcache]\n"
    "                   [--page-cache BYTES] [--memory BYTES,...]\n"
    "  --quick    2,000 entries only and short runs: under 30 s\n"
    "  --seconds  length of one run of one work, both sides together\n"
    "  --memory   bytes for copies of what was read; 0: all answers come from the database\n"
    "  --work     only works whose name begins so\n"
    "  --only     only one side, for a profiler";

struct Plan {
  std::vector<std::size_t> values{64, 128, 1024, 16384};
  std::vector<std::size_t> entries{2000, 50000};
  std::size_t runs = 5;
  double seconds = 0.4;
  std::uint64_t page_cache = dcache::Options().page_cache;
  std::vector<std::size_t> memory{dcache::Options().memory};
  std::string work;
  std::string only;
};

nlohmann::json measure(const Plan& plan, const std::optional<std::string>& parent) {
  const bench::Table table({{"work", -16},
                            {"value", 6},
                            {"entries", 8},
                            {"memory", 8},
                            {"raw us", 9},
                            {"dcache us", 9},
                            {"ratio", 6},
                            {"(of runs)", 12}});
  nlohmann::json rows = nlohmann::json::array();
  const bench::Sides sides = plan.only == "raw"      ? bench::Sides::raw
                             : plan.only == "dcache" ? bench::Sides::ours
                                                     : bench::Sides::both;
  const auto measure_one = [&](bench::Arena& arena, const bench::Work& work, nlohmann::json row) {
    bench::Times times;
    arena.prepare(work, sides);
    for (std::size_t i = 0; i < plan.runs; ++i) arena.run(work, plan.seconds, times, sides);
    const double raw = bench::median(times.raw);
    const double ours = bench::median(times.ours);
    const double ratio = bench::median(times.ratios);
    const auto [least, most] = std::minmax_element(times.ratios.begin(), times.ratios.end());
    const auto text = [&](const char* name) { return row[name].is_null() ? "-" : row[name].dump(); };
    table.row({work.name, text("value"), text("entries"), text("memory"), fixed(raw, 2), fixed(ours, 2),
               fixed(ratio, 2), fixed(*least, 2) + "-" + fixed(*most, 2)});
    row.update({{"work", work.name},
                {"raw_us", raw},
                {"dcache_us", ours},
                {"ratio", ratio},
                {"ratio_least", *least},
                {"ratio_most", *most}});
    rows.push_back(std::move(row));
  };
  for (const std::size_t entries : plan.entries) {
    std::set<std::string> done;  // works for which one size is enough
    for (const std::size_t size : plan.values) {
      const bench::Scratch scratch(parent);
      bench::Arena arena(scratch.path(), entries, size, {.page_cache = plan.page_cache});
      for (const std::size_t memory : plan.memory) {
        arena.reopen({.page_cache = plan.page_cache, .memory = memory});
        for (const bench::Work& work : bench::works()) {
          const std::string once = std::to_string(memory) + work.name;
          if (!work.name.starts_with(plan.work) || (!work.sized && !done.insert(once).second)) continue;
          nlohmann::json row{{"entries", entries}, {"memory", memory}, {"value", nullptr}};
          if (work.sized) row["value"] = size;
          measure_one(arena, work, std::move(row));
        }
      }
    }
    table.rule();
  }
  return rows;
}

int run(bench::Arguments& arguments) {
  Plan plan;
  if (arguments.flag("--quick")) {
    plan.entries = {2000};
    plan.seconds = 0.12;
  }
  plan.values = arguments.numbers("--value", plan.values);
  plan.entries = arguments.numbers("--entries", plan.entries);
  plan.runs = arguments.numbers("--runs", {plan.runs}).front();
  plan.seconds = arguments.number("--seconds", plan.seconds);
  plan.page_cache = arguments.numbers("--page-cache", {plan.page_cache}).front();
  plan.memory = arguments.numbers("--memory", plan.memory);
  plan.work = arguments.text("--work").value_or("");
  plan.only = arguments.text("--only").value_or("");
  const std::optional<std::string> directory = arguments.text("--dir");
  const std::optional<std::string> json = arguments.text("--json");
  arguments.finish(kUsage);

  std::printf("dcache %s beside SQLite %s; medians of %zu runs\n\n", DCACHE_VERSION, sqlite3_libversion(),
              plan.runs);
  nlohmann::json result{{"dcache", DCACHE_VERSION}, {"sqlite", sqlite3_libversion()}, {"runs", plan.runs}};
  result["rows"] = measure(plan, directory);
  if (json) {
    std::ofstream file(*json);
    file << result.dump(2) << '\n';
    if (!file) throw std::runtime_error("cannot write " + *json);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
