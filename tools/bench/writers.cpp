// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <vector>

#include "contention.hpp"
#include "support.hpp"
#include "table.hpp"
#include "team.hpp"

namespace bench {

namespace {

struct Written {
  std::vector<double> rate;
  std::vector<double> p999_ms;
  std::vector<double> longest_ms;
};

/// Milliseconds within which 999 of 1,000 writes were done.
double p999_ms(const Fight& fight) {
  const std::vector<std::uint64_t> counts(fight.times.begin(), fight.times.end());
  return static_cast<double>(quantile_ns(counts, 0.999)) / 1e6;
}

}  // namespace

void measure_writers(const std::filesystem::path& directory, const FightOptions& options) {
  constexpr std::array kKinds{Kind::upsert, Kind::set,   Kind::set4, Kind::set8,
                              Kind::full,   Kind::full4, Kind::full8};
  for (const std::size_t workers : options.workers) {
    std::printf(
        "\n%zu processes that write without pause, 128 bytes to 10,000 keys, %zu runs of %.1f s; medians\n\n",
        workers, options.runs, options.seconds);
    const Table table(
        {{"write", -21}, {"writes/s", 9}, {"99.9 % ms", 9}, {"longest ms", 10}, {"(worst)", 8}});
    std::map<Kind, Written> results;
    for (std::size_t run = 0; run < options.runs; ++run) {
      for (const Kind kind : kKinds) {
        Team team(directory, Role::write, kind, workers);
        const Fight& fight = team.fight(options.seconds);
        Written& written = results[kind];
        std::uint64_t writes = 0;
        std::uint64_t longest = 0;
        for (const Tally& tally : fight.tallies) {
          writes += tally.grants;
          longest = std::max(longest, tally.longest_ns);
        }
        written.rate.push_back(static_cast<double>(writes) / options.seconds);
        written.p999_ms.push_back(p999_ms(fight));
        written.longest_ms.push_back(static_cast<double>(longest) / 1e6);
      }
    }
    for (auto& [kind, written] : results) {
      table.row({name_of(kind), fixed(median(written.rate), 0), fixed(median(written.p999_ms), 1),
                 fixed(median(written.longest_ms), 1),
                 fixed(*std::max_element(written.longest_ms.begin(), written.longest_ms.end()), 1)});
    }
  }
}

}  // namespace bench
