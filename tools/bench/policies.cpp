// SPDX-License-Identifier: Apache-2.0
//
// Hit ratios of the policies under a size limit, beside exact caches that hold as many entries.
#include <array>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
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
    "usage: bench-policies [--dir DIR] [--entries N,...] [--turnovers N] [--value BYTES] [--policy NAME]\n"
    "                      [--trace NAME] [--batch ASKS] [--traces DIR]\n"
    "  --entries    that fit the size limit, about\n"
    "  --turnovers  length of a trace: asks for each entry that fits\n"
    "  --batch      asks in one transaction, to save time\n"
    "  --traces     writes the traces there and measures nothing: for compare/diskcache_policies.py";

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
  std::size_t batch = 1;
};

/// Whether each ask was a hit.
template <class Ask>
std::vector<bool> answers(dcache::Cache& cache, const Trace& trace, std::size_t batch, Ask ask) {
  std::vector<bool> hits;
  hits.reserve(trace.size());
  const auto some = [&] {
    for (std::size_t i = 0; i < batch && hits.size() < trace.size(); ++i)
      hits.push_back(ask(trace[hits.size()]));
  };
  while (hits.size() < trace.size()) {
    if (batch == 1) {
      some();
    } else {
      cache.transact([&](dcache::Transaction&) { some(); });
    }
  }
  return hits;
}

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
  const std::vector<bool> was_hit = answers(cache, trace, setting.batch, [&](std::uint32_t key) {
    if (2 * ++asked > trace.size() && asked % (trace.size() / 40) == 0)
      sizes.push_back(static_cast<double>(cache.size()));
    const std::string name = name_of(key);
    if (cache.get(name)) return true;
    cache.set(name, value);
    return false;
  });
  const double each = watch.microseconds() / static_cast<double>(trace.size());
  const double hits =
      bench::hit_ratio(trace, [&, at = std::size_t{0}](std::uint32_t) mutable { return was_hit[at++]; });
  const double sum = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  const auto held = static_cast<std::size_t>(sum / static_cast<double>(sizes.size()));
  bench::ExactSieve sieve(held);
  bench::ExactLru lru(held);
  const auto percent = [](double ratio) { return fixed(100 * ratio, 1); };
  table.row({setting.trace_name, setting.policy_name, std::to_string(setting.fit), std::to_string(held),
             percent(hits), percent(bench::hit_ratio(trace, [&](auto key) { return sieve.ask(key); })),
             percent(bench::hit_ratio(trace, [&](auto key) { return lru.ask(key); })), fixed(each, 1)});
}

/// Keys as numbers of 32 bits in this machine's order.
void write(const std::filesystem::path& file, const Trace& trace) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(trace.data()),
            static_cast<std::streamsize>(trace.size() * sizeof(trace.front())));
  if (!out.flush()) throw std::runtime_error("cannot write " + file.native());
}

int run(bench::Arguments& arguments) {
  const auto directory = arguments.text("--dir");
  const std::vector<std::size_t> sizes = arguments.numbers("--entries", {10'000, 100'000});
  const auto turnovers = static_cast<std::size_t>(arguments.number("--turnovers", 10));
  const std::string value(static_cast<std::size_t>(arguments.number("--value", 128)), 'v');
  const auto batch = static_cast<std::size_t>(arguments.number("--batch", 1));
  const auto only_policy = arguments.text("--policy");
  const auto only_trace = arguments.text("--trace");
  const auto traces_to = arguments.text("--traces");
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
    const std::size_t length = turnovers * fit;
    const std::array traces{std::pair{"zipf", bench::zipf_trace(10 * fit, length, 1)},
                            std::pair{"scans", bench::scan_trace(10 * fit, length, 2)},
                            std::pair{"loop", bench::loop_trace(2 * fit, length)}};
    if (traces_to) {
      for (const auto& [name, trace] : traces)
        write(std::filesystem::path(*traces_to) / (name + ('-' + std::to_string(fit))), trace);
      continue;
    }
    const bench::Scratch scratch(directory);
    const std::uint64_t limit = bytes_of(scratch.path() / "full", fit, value);
    for (const auto& [trace_name, trace] : traces) {
      if (only_trace && *only_trace != trace_name) continue;
      for (const auto& [policy, policy_name] : kPolicies) {
        if (only_policy && *only_policy != policy_name) continue;
        measure(scratch.path(), {trace_name, policy, policy_name, limit, fit, batch}, trace, value, table);
      }
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
