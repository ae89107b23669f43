// SPDX-License-Identifier: Apache-2.0
//
// What a whole process meets: how long it takes to open a cache that exists, and what several processes get
// of one lock, beside flock(2) and beside a lock made of bare SQLite rows.
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "contenders.hpp"
#include "dcache/dcache.hpp"
#include "raw.hpp"
#include "support.hpp"
#include "table.hpp"
#include "workload.hpp"

namespace {

using bench::fixed;
using bench::Kind;

constexpr std::string_view kUsage =
    "usage: bench-contention [--quick] [--dir DIR] [--runs N] [--seconds S] [--workers N] [--hold US,...]";

constexpr std::size_t kEntries = 10'000;
constexpr int kOpens = 200;

struct Opened {
  std::vector<double> open;
  std::vector<double> first_get;
  std::vector<double> close;
};

template <class Open, class Get>
void time_one(Opened& times, Open open, Get get) {
  const bench::Stopwatch opening;
  auto opened = open();
  times.open.push_back(opening.microseconds());
  const bench::Stopwatch getting;
  get(*opened);
  times.first_get.push_back(getting.microseconds());
  const bench::Stopwatch closing;
  opened.reset();
  times.close.push_back(closing.microseconds());
}

/// SQLite by hand, with as much of a check as a program would make.
std::unique_ptr<bench::raw::Database> open_raw(const std::filesystem::path& path) {
  auto database = std::make_unique<bench::raw::Database>(path, false);
  database->run("PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF; PRAGMA user_version");
  return database;
}

void measure_open(const std::filesystem::path& directory) {
  bench::Random random(1);
  const std::vector<std::string> keys = bench::random_keys(kEntries, random);
  bench::Values values(128);
  {
    dcache::Cache cache(directory / "cache");
    bench::raw::Database database(directory / "raw.db");
    database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
    database.run("CREATE TABLE entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
    bench::raw::Statement set(database, "INSERT INTO entries VALUES(?1, ?2)");
    for (const std::string& key : keys) {
      cache.set(key, values.next());
      set.bind(1, key).bind(2, values.next()).run();
    }
  }
  std::printf("Opening with %zu entries, one process; us, medians (and 99 %%) of %d\n\n", kEntries, kOpens);
  const bench::Table table(
      {{"", -30}, {"open", 7}, {"(99 %)", 7}, {"first get", 9}, {"close", 7}, {"together", 8}});
  const auto show = [&](const std::string& what, Opened times) {
    std::vector<double> sums;
    for (std::size_t i = 0; i < times.open.size(); ++i)
      sums.push_back(times.open[i] + times.first_get[i] + times.close[i]);
    std::sort(times.open.begin(), times.open.end());
    table.row({what, fixed(bench::median(times.open), 0), fixed(times.open[times.open.size() * 99 / 100], 0),
               fixed(bench::median(times.first_get), 0), fixed(bench::median(times.close), 0),
               fixed(bench::median(sums), 0)});
  };
  for (const bool beside : {false, true}) {
    std::optional<bench::Team> keeper;
    std::optional<bench::raw::Database> raw_keeper;
    if (beside) {
      // For the raw file a connection of our own does: SQLite keeps its shared memory for the process.
      keeper.emplace(directory, Kind::keep, 1, 0);
      raw_keeper.emplace(directory / "raw.db", false);
      raw_keeper->run("PRAGMA user_version");
    }
    Opened ours;
    Opened raw;
    for (int i = 0; i < kOpens; ++i) {
      const std::string& key = keys[static_cast<std::size_t>(i)];
      time_one(
          ours, [&] { return std::make_unique<dcache::Cache>(directory / "cache"); },
          [&](dcache::Cache& cache) {
            if (!cache.get(key)) throw std::runtime_error("a value is missing");
          });
      time_one(
          raw, [&] { return open_raw(directory / "raw.db"); },
          [&](bench::raw::Database& database) {
            bench::raw::Statement get(database, "SELECT value FROM entries WHERE key = ?1");
            if (!get.bind(1, key).step()) throw std::runtime_error("a value is missing");
          });
    }
    const std::string where = beside ? ", others have it open" : ", nobody has it open";
    show("dcache" + where, ours);
    show("raw" + where, raw);
  }
}

struct Fought {
  std::vector<double> rate;
  std::vector<double> longest_ms;
  std::vector<double> least_share;  ///< of the worker with the fewest grants: 1 = as many as all others
};

void measure_fights(const std::filesystem::path& directory, std::size_t workers,
                    const std::vector<std::size_t>& holds, std::size_t runs, double seconds) {
  std::printf("\nOne lock, %zu processes, %zu runs of %.1f s; medians\n\n", workers, runs, seconds);
  const bench::Table table({{"lock", -12},
                            {"held us", 7},
                            {"grants/s", 9},
                            {"of flock", 8},
                            {"longest wait ms", 15},
                            {"(worst)", 8},
                            {"least share", 11}});
  constexpr std::array kKinds{Kind::flock, Kind::sqlite, Kind::dcache};
  for (const std::size_t hold : holds) {
    std::array<Fought, kKinds.size()> all;
    for (std::size_t run = 0; run < runs; ++run) {
      for (std::size_t k = 0; k < kKinds.size(); ++k) {
        bench::Team team(directory, kKinds.at(k), workers, hold);
        const bench::Stopwatch watch;
        const bench::Fight& fight = team.fight(seconds);
        const double time = watch.seconds();
        const std::span tallies = std::span(fight.tallies).first(workers);
        std::uint64_t longest = 0;
        std::uint64_t fewest = ~std::uint64_t{0};
        for (const bench::Tally& tally : tallies) {
          longest = std::max(longest, tally.longest_ns);
          fewest = std::min(fewest, tally.grants);
        }
        const auto grants = static_cast<double>(fight.guarded);
        all.at(k).rate.push_back(grants / time);
        all.at(k).longest_ms.push_back(static_cast<double>(longest) / 1e6);
        all.at(k).least_share.push_back(static_cast<double>(fewest) * static_cast<double>(workers) /
                                        std::max(grants, 1.0));
      }
    }
    for (std::size_t k = 0; k < kKinds.size(); ++k) {
      const Fought& fought = all.at(k);
      const double rate = bench::median(fought.rate);
      table.row({bench::name_of(kKinds.at(k)), std::to_string(hold), fixed(rate, 0),
                 fixed(rate / bench::median(all.front().rate), 2), fixed(bench::median(fought.longest_ms), 1),
                 fixed(*std::max_element(fought.longest_ms.begin(), fought.longest_ms.end()), 1),
                 fixed(bench::median(fought.least_share), 2)});
    }
  }
}

int run(bench::Arguments& arguments) {
  if (arguments.has("--worker")) return bench::work_for_team(arguments);
  const bool quick = arguments.flag("--quick");
  const std::optional<std::string> parent = arguments.text("--dir");
  const std::size_t runs = arguments.numbers("--runs", {quick ? 3UL : 5UL}).front();
  const double seconds = arguments.number("--seconds", quick ? 0.5 : 3);
  const std::size_t workers = arguments.numbers("--workers", {4}).front();
  const std::vector<std::size_t> holds = arguments.numbers("--hold", {0, 1000});
  arguments.finish(kUsage);

  const bench::Scratch scratch(parent);
  measure_open(scratch.path());
  measure_fights(scratch.path(), workers, holds, runs, seconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
