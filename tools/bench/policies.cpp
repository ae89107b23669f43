// SPDX-License-Identifier: Apache-2.0
//
// Hit ratios of the policies under a size limit, beside exact caches that hold as many entries.
#include <array>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "dcache/cache.hpp"
#include "support.hpp"
#include "table.hpp"
#include "traces.hpp"

namespace {

using bench::fixed;
using bench::Trace;

constexpr std::string_view kUsage =
    "usage: bench-policies [--dir DIR] [--entries N,...] [--turnovers N] [--value BYTES]\n"
    "  --entries    that fit the size limit, about\n"
    "  --turnovers  length of a trace: asks for each entry that fits";

constexpr std::array kPolicies{std::pair{dcache::Policy::sieve, "sieve"},
                               std::pair{dcache::Policy::lru, "lru"}, std::pair{dcache::Policy::lfu, "lfu"},
                               std::pair{dcache::Policy::oldest, "oldest"}};

std::string name_of(std::uint32_t key) { return "key:" + std::to_string(key); }

/// What a cache of so many entries takes up.
std::uint64_t bytes_of(const std::filesystem::path& directory, std::size_t entries,
                       const std::string& value) {
  dcache::Cache cache(directory);
  for (std::size_t done = 0; done < entries;) {
    cache.transact([&](dcache::Transaction& transaction) {
      for (std::size_t i = 0; i < 1000 && done < entries; ++i, ++done)
        transaction.set(name_of(static_cast<std::uint32_t>(done)), value);
    });
  }
  return cache.bytes();
}

struct Setting {
  std::string trace_name;
  dcache::Policy policy;
  std::string policy_name;
  std::uint64_t limit = 0;
  std::size_t fit = 0;
};

void measure(const std::filesystem::path& directory, const Setting& setting, const Trace& trace,
             const std::string& value, const bench::Table& table) {
  dcache::Cache cache(directory / (setting.trace_name + setting.policy_name));
  cache.configure([&](dcache::Settings& settings) {
    settings = {.size_limit = setting.limit, .policy = setting.policy};
  });
  // How many fit differs with how full their pages are; the exact ones hold as many as this does on average.
  std::size_t asked = 0;
  std::vector<double> sizes;
  const bench::Stopwatch watch;
  const double hits = bench::hit_ratio(trace, [&](std::uint32_t key) {
    if (2 * ++asked > trace.size() && asked % (trace.size() / 40) == 0)
      sizes.push_back(static_cast<double>(cache.size()));
    const std::string name = name_of(key);
    if (cache.get(name)) return true;
    cache.set(name, value);
    return false;
  });
  const double each = watch.microseconds() / static_cast<double>(trace.size());
  const double sum = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  const auto held = static_cast<std::size_t>(sum / static_cast<double>(sizes.size()));
  bench::ExactSieve sieve(held);
  bench::ExactLru lru(held);
  const auto percent = [](double ratio) { return fixed(100 * ratio, 1); };
  table.row({setting.trace_name, setting.policy_name, std::to_string(setting.fit), std::to_string(held),
             percent(hits), percent(bench::hit_ratio(trace, [&](auto key) { return sieve.ask(key); })),
             percent(bench::hit_ratio(trace, [&](auto key) { return lru.ask(key); })), fixed(each, 1)});
}

int run(bench::Arguments& arguments) {
  const auto directory = arguments.text("--dir");
  const std::vector<std::size_t> sizes = arguments.numbers("--entries", {10'000, 100'000});
  const auto turnovers = static_cast<std::size_t>(arguments.number("--turnovers", 10));
  const std::string value(static_cast<std::size_t>(arguments.number("--value", 128)), 'v');
  arguments.finish(kUsage);
  const bench::Table table({{"trace", -6},
                            {"policy", -7},
                            {"fit", 8},
                            {"held", 8},
                            {"hits %", 7},
                            {"exact SIEVE %", 14},
                            {"exact LRU %", 12},
                            {"us an ask", 10}});
  for (const std::size_t fit : sizes) {
    const bench::Scratch scratch(directory);
    const std::uint64_t limit = bytes_of(scratch.path() / "full", fit, value);
    const std::size_t length = turnovers * fit;
    const std::array traces{std::pair{"zipf", bench::zipf_trace(10 * fit, length, 1)},
                            std::pair{"scans", bench::scan_trace(10 * fit, length, 2)},
                            std::pair{"loop", bench::loop_trace(2 * fit, length)}};
    for (const auto& [trace_name, trace] : traces) {
      for (const auto& [policy, policy_name] : kPolicies)
        measure(scratch.path(), {trace_name, policy, policy_name, limit, fit}, trace, value, table);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
