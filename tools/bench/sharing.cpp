// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "contention.hpp"
#include "support.hpp"
#include "table.hpp"
#include "team.hpp"

namespace bench {

namespace {

constexpr std::array kPairs{Kind::exclusive, Kind::writing, Kind::shared, Kind::permits};

/// Pairs between two looks at the clock.
constexpr int kSlice = 50;

/// Microseconds a pair, of each kind: slices of all of them in turn, so that whatever else the machine does
/// hits all.
std::array<double, kPairs.size()> one_run(std::array<std::unique_ptr<Contender>, kPairs.size()>& pairs,
                                          double seconds) {
  std::array<double, kPairs.size()> spent{};
  int slices = 0;
  for (const Stopwatch all; all.seconds() < seconds; ++slices) {
    for (std::size_t n = 0; n < pairs.size(); ++n) {
      const std::size_t i = (n + static_cast<std::size_t>(slices)) % pairs.size();
      const Stopwatch watch;
      for (int pair = 0; pair < kSlice; ++pair) pairs.at(i)->lock(), pairs.at(i)->unlock();
      spent.at(i) += watch.microseconds();
    }
  }
  for (double& time : spent) time /= static_cast<double>(slices) * kSlice;
  return spent;
}

void measure_pairs(const std::filesystem::path& directory, const FightOptions& options) {
  std::printf("\nA lock and unlock that nobody else wants, %zu runs of %.1f s; medians\n\n", options.runs,
              options.seconds);
  pthread_mutex_t unused{};
  std::array<std::unique_ptr<Contender>, kPairs.size()> pairs;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs.at(i) = make_contender(kPairs.at(i), directory, unused);
  std::map<Kind, std::vector<double>> times;
  std::map<Kind, std::vector<double>> ratios;
  for (std::size_t run = 0; run < options.runs; ++run) {
    const auto spent = one_run(pairs, options.seconds);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      times[kPairs.at(i)].push_back(spent.at(i));
      ratios[kPairs.at(i)].push_back(spent.at(i) / spent.front());
    }
  }
  const Table table({{"pair", -18}, {"us", 8}, {"of SyncLock", 11}, {"(of runs)", 11}});
  for (const Kind kind : kPairs) {
    const auto [least, most] = std::minmax_element(ratios[kind].begin(), ratios[kind].end());
    table.row({name_of(kind), fixed(median(times[kind]), 1), fixed(median(ratios[kind]), 2),
               fixed(*least, 2) + "-" + fixed(*most, 2)});
  }
}

/// How what a crowd does grows with it, when each works for so long while it holds the lock.
void measure_crowds(const std::filesystem::path& directory, const FightOptions& options, std::size_t hold) {
  std::printf(
      "\nProcesses that lock and unlock the same key, %zu us of work in between, %zu runs of %.1f s; "
      "medians\n\n",
      hold, options.runs, options.seconds);
  std::map<Kind, std::map<std::size_t, std::vector<double>>> rates;
  for (std::size_t run = 0; run < options.runs; ++run) {
    for (const std::size_t workers : options.workers) {
      for (const Kind kind : kPairs) {
        Team team(directory, Role::write, kind, workers, hold);
        std::uint64_t sum = 0;
        for (const Tally& tally : team.fight(options.seconds).tallies) sum += tally.grants;
        rates[kind][workers].push_back(static_cast<double>(sum) / options.seconds);
      }
    }
  }
  const Table table({{"pair", -18}, {"processes", 9}, {"pairs/s", 9}, {"of the first", 12}});
  for (auto& [kind, crowds] : rates) {
    const double first = median(crowds.at(options.workers.front()));
    for (const std::size_t workers : options.workers) {
      const double rate = median(crowds.at(workers));
      table.row({name_of(kind), std::to_string(workers), fixed(rate, 0), fixed(rate / first, 2)});
    }
  }
}

}  // namespace

void measure_sharing(const std::filesystem::path& directory, const FightOptions& options) {
  measure_pairs(directory, options);
  for (const std::size_t hold : options.holds) measure_crowds(directory, options, hold);
}

}  // namespace bench
