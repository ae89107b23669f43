// SPDX-License-Identifier: Apache-2.0
//
// Values of 64 bytes to 1 MiB: dcache beside raw SQLite and beside plain files, in slices that take turns, so
// that whatever else the machine does hits all three. The ratio is to the better of the two others.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <memory>

#include "dcache/options.hpp"
#include "rivals.hpp"
#include "support.hpp"
#include "table.hpp"

namespace {

using bench::fixed;
using bench::Rival;
using Chosen = std::span<const std::string_view>;

constexpr std::string_view kUsage =
    "usage: bench-sizes [--dir DIR] [--value BYTES,...] [--runs N] [--seconds S]\n"
    "  --seconds  length of one run of one work, all sides together";

/// As many entries as make this many bytes, within limits.
constexpr std::size_t kTotalBytes = std::size_t{96} << 20;
constexpr std::size_t kFewestEntries = 64;
constexpr std::size_t kMostEntries = 20'000;

struct Work {
  const char* name;
  std::function<void(Rival&, Chosen, bench::Values&)> run;
};

std::array<Work, 2> works() {
  return {Work{"set",
               [](Rival& side, Chosen keys, bench::Values& values) {
                 for (const auto key : keys) side.set(key, values.next());
               }},
          Work{"get", [](Rival& side, Chosen keys, bench::Values&) {
                 for (const auto key : keys) benchmark::DoNotOptimize(side.get(key));
               }}};
}

void measure(const std::optional<std::string>& directory, std::size_t size, std::size_t runs, double seconds,
             const bench::Table& table) {
  const bench::Scratch scratch(directory);
  const std::array<std::unique_ptr<Rival>, 3> sides{bench::make_raw(scratch.path()),
                                                    bench::make_files(scratch.path()),
                                                    bench::make_dcache(scratch.path(), {})};
  const std::size_t entries = std::clamp(kTotalBytes / size, kFewestEntries, kMostEntries);
  const std::size_t slice = std::clamp<std::size_t>(entries / 20, 8, 500);
  bench::Random random(size);
  bench::Values values(size);
  const std::vector<std::string> keys = bench::random_keys(entries, random);
  for (const auto& side : sides) {
    for (const std::string& key : keys) side->set(key, values.next());
  }
  for (const Work& work : works()) {
    std::array<std::vector<double>, 3> times;
    std::vector<double> ratios;
    for (std::size_t run = 0; run < runs; ++run) {
      std::array<double, 3> sums{};
      std::size_t done = 0;
      for (const bench::Stopwatch all; done < 3 * slice || all.seconds() < seconds; done += slice) {
        const std::vector<std::string_view> chosen = bench::choose(keys, slice, random);
        for (std::size_t i = 0; i < sides.size(); ++i) {
          const std::size_t at = (i + done / slice) % sides.size();
          const bench::Stopwatch watch;
          work.run(*sides[at], chosen, values);
          sums[at] += watch.microseconds();
        }
      }
      for (std::size_t i = 0; i < sides.size(); ++i) times[i].push_back(sums[i] / static_cast<double>(done));
      ratios.push_back(sums[2] / std::min(sums[0], sums[1]));
    }
    table.row({work.name, std::to_string(size), std::to_string(entries), fixed(bench::median(times[0]), 2),
               fixed(bench::median(times[1]), 2), fixed(bench::median(times[2]), 2),
               fixed(bench::median(ratios), 2)});
  }
}

int run(bench::Arguments& arguments) {
  const std::vector<std::size_t> sizes = arguments.numbers("--value", {64, 1024, 16384, 65536, 1 << 20});
  const std::size_t runs = arguments.numbers("--runs", {5}).front();
  const double seconds = arguments.number("--seconds", 1);
  const std::optional<std::string> directory = arguments.text("--dir");
  arguments.finish(kUsage);
  std::printf("microseconds a call, medians of %zu runs; set replaces\n\n", runs);
  const bench::Table table({{"work", -5},
                            {"value", 8},
                            {"entries", 8},
                            {"raw us", 10},
                            {"files us", 10},
                            {"dcache us", 10},
                            {"ratio", 7}});
  for (const std::size_t size : sizes) measure(directory, size, runs, seconds, table);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
