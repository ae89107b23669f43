// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "contention.hpp"
#include "dcache/dcache.hpp"
#include "raw.hpp"
#include "support.hpp"
#include "table.hpp"
#include "team.hpp"
#include "workload.hpp"

namespace bench {

namespace {

constexpr std::size_t kEntries = 10'000;
constexpr int kOpens = 200;

struct Opened {
  std::vector<double> open;
  std::vector<double> first_get;
  std::vector<double> close;
};

template <class Open, class Get>
void time_one(Opened& times, Open open, Get get) {
  const Stopwatch opening;
  auto opened = open();
  times.open.push_back(opening.microseconds());
  const Stopwatch getting;
  get(*opened);
  times.first_get.push_back(getting.microseconds());
  const Stopwatch closing;
  opened.reset();
  times.close.push_back(closing.microseconds());
}

/// SQLite by hand, with as much of a check as a program would make.
std::unique_ptr<raw::Database> open_raw(const std::filesystem::path& path) {
  auto database = std::make_unique<raw::Database>(path, false);
  database->run("PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF; PRAGMA user_version");
  return database;
}

}  // namespace

void measure_open(const std::filesystem::path& directory) {
  Random random(1);
  const std::vector<std::string> keys = random_keys(kEntries, random);
  Values values(128);
  {
    dcache::Cache cache(directory / "cache");
    raw::Database database(directory / "raw.db");
    database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
    database.run("CREATE TABLE entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
    raw::Statement set(database, "INSERT INTO entries VALUES(?1, ?2)");
    for (const std::string& key : keys) {
      cache.set(key, values.next());
      set.bind(1, key).bind(2, values.next()).run();
    }
  }
  std::printf("Opening with %zu entries, one process; us, medians (and 99 %%) of %d\n\n", kEntries, kOpens);
  const Table table({{"", -30}, {"open", 7}, {"(99 %)", 7}, {"first get", 9}, {"close", 7}, {"together", 8}});
  const auto show = [&](const std::string& what, Opened times) {
    std::vector<double> sums;
    for (std::size_t i = 0; i < times.open.size(); ++i)
      sums.push_back(times.open[i] + times.first_get[i] + times.close[i]);
    std::sort(times.open.begin(), times.open.end());
    table.row({what, fixed(median(times.open), 0), fixed(times.open[times.open.size() * 99 / 100], 0),
               fixed(median(times.first_get), 0), fixed(median(times.close), 0), fixed(median(sums), 0)});
  };
  for (const bool beside : {false, true}) {
    std::optional<Team> keeper;
    std::optional<raw::Database> raw_keeper;
    if (beside) {
      // For the raw file a connection of our own does: SQLite keeps its shared memory for the process.
      keeper.emplace(directory, Role::keep, Kind::dcache, 1);
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
          [&](raw::Database& database) {
            raw::Statement get(database, "SELECT value FROM entries WHERE key = ?1");
            if (!get.bind(1, key).step()) throw std::runtime_error("a value is missing");
          });
    }
    const std::string where = beside ? ", others have it open" : ", nobody has it open";
    show("dcache" + where, ours);
    show("raw" + where, raw);
  }
}

}  // namespace bench
