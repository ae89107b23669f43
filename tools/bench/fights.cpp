// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "contention.hpp"
#include "support.hpp"
#include "table.hpp"
#include "team.hpp"

namespace bench {

namespace {

/// What the fights of one kind came to, a number a run.
struct Fought {
  std::vector<double> rate;  ///< grants a second
  std::vector<double> longest_ms;
  std::vector<double> least;  ///< grants of the worker with the fewest, 1 = as many as all others
  std::vector<double> most;
  std::vector<double> jain;
};

using Results = std::map<Kind, Fought>;

/// Jain's index: 1 = all got the same, 1/n = one of n got everything.
double jain_index(std::span<const Tally> tallies) {
  double sum = 0;
  double squares = 0;
  for (const Tally& tally : tallies) {
    const auto grants = static_cast<double>(tally.grants);
    sum += grants;
    squares += grants * grants;
  }
  return squares > 0 ? sum * sum / (static_cast<double>(tallies.size()) * squares) : 0;
}

void add(Fought& fought, const Fight& fight, std::size_t workers) {
  const std::span tallies = std::span(fight.tallies).first(workers);
  const auto by_grants = [](const Tally& a, const Tally& b) { return a.grants < b.grants; };
  const auto [least, most] = std::minmax_element(tallies.begin(), tallies.end(), by_grants);
  std::uint64_t longest_ns = 0;
  std::uint64_t end_ns = 0;
  for (const Tally& tally : tallies) {
    longest_ns = std::max(longest_ns, tally.longest_ns);
    end_ns = std::max(end_ns, tally.end_ns);
  }
  std::uint64_t sum = 0;
  for (const Tally& tally : tallies) sum += tally.grants;
  const auto grants = static_cast<double>(sum);
  const double share = static_cast<double>(workers) / std::max(grants, 1.0);
  fought.rate.push_back(grants * 1e9 / static_cast<double>(end_ns - fight.begin_ns));
  fought.longest_ms.push_back(static_cast<double>(longest_ns) / 1e6);
  fought.least.push_back(static_cast<double>(least->grants) * share);
  fought.most.push_back(static_cast<double>(most->grants) * share);
  fought.jain.push_back(jain_index(tallies));
}

/// In every run all kinds, so that what else the machine does meets them alike.
Results fight_all(const std::filesystem::path& directory, const std::vector<Kind>& kinds, std::size_t workers,
                  std::size_t hold, const FightOptions& options) {
  Results results;
  for (std::size_t run = 0; run < options.runs; ++run) {
    for (const Kind kind : kinds) {
      Team team(directory, Role::fight, kind, workers, hold);
      add(results[kind], team.fight(options.seconds), workers);
    }
  }
  return results;
}

double worst(const std::vector<double>& numbers) { return *std::max_element(numbers.begin(), numbers.end()); }

}  // namespace

void measure_fights(const std::filesystem::path& directory, const FightOptions& options) {
  const std::vector<Kind> kinds{Kind::flock, Kind::mutex,  Kind::sqlite,
                                Kind::naive, Kind::dcache, Kind::fair};
  for (const std::size_t workers : options.workers) {
    std::printf("\nOne lock, %zu processes, %zu runs of %.1f s; medians\n", workers, options.runs,
                options.seconds);
    std::printf("SQLite: a row is added and deleted, tried again at once (spin) or after 1 ms (naps)\n");
    std::printf("\n");
    const Table table({{"lock", -13},
                       {"held us", 7},
                       {"grants/s", 9},
                       {"of flock", 8},
                       {"of spin", 8},
                       {"longest wait ms", 15},
                       {"(worst)", 8},
                       {"least share", 11}});
    for (const std::size_t hold : options.holds) {
      Results results = fight_all(directory, kinds, workers, hold, options);
      const double flock = median(results[Kind::flock].rate);
      const double spin = median(results[Kind::sqlite].rate);
      for (const auto& [kind, fought] : results) {
        const double rate = median(fought.rate);
        table.row({name_of(kind), std::to_string(hold), fixed(rate, 0), fixed(rate / flock, 2),
                   fixed(rate / spin, 2), fixed(median(fought.longest_ms), 1),
                   fixed(worst(fought.longest_ms), 1), fixed(median(fought.least), 2)});
      }
    }
  }
}

void measure_fairness(const std::filesystem::path& directory, const FightOptions& options) {
  const std::vector<Kind> kinds{Kind::flock, Kind::dcache, Kind::fair};
  for (const std::size_t workers : options.workers) {
    std::printf("\nFairness, %zu processes at one lock, %zu runs of %.1f s; medians\n", workers, options.runs,
                options.seconds);
    std::printf("Jain index of grants: 1 = all got the same, %.3f = one got all; shares: 1 = its part\n",
                1 / static_cast<double>(workers));
    std::printf("\n");
    const Table table({{"lock", -13},
                       {"held us", 7},
                       {"Jain", 6},
                       {"grants/s", 9},
                       {"least share", 11},
                       {"most share", 10},
                       {"longest wait ms", 15},
                       {"(worst)", 8}});
    for (const std::size_t hold : options.holds) {
      for (const auto& [kind, fought] : fight_all(directory, kinds, workers, hold, options)) {
        table.row({name_of(kind), std::to_string(hold), fixed(median(fought.jain), 3),
                   fixed(median(fought.rate), 0), fixed(median(fought.least), 2),
                   fixed(median(fought.most), 2), fixed(median(fought.longest_ms), 1),
                   fixed(worst(fought.longest_ms), 1)});
      }
    }
  }
}

}  // namespace bench
