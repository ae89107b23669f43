// SPDX-License-Identifier: Apache-2.0
//
// `dcache import` as a whole process, beside raw inserts of 1,000 a transaction into the same tables.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "dcache/dcache.hpp"
#include "raw.hpp"
#include "support.hpp"
#include "table.hpp"

namespace {

namespace fs = std::filesystem;
using bench::fixed;

constexpr std::string_view kUsage =
    "usage: bench-import [--dir DIR] [--entries N] [--rounds N] [--command PATH]\n"
    "  --entries  lines, each with a random key and 128 bytes (200000)\n"
    "  --rounds   how often; medians are shown (5)\n"
    "  --command  the dcache to run (the one that was built with this)";

constexpr std::size_t kBatch = 1000;

std::vector<std::string> make_lines(const fs::path& path, std::size_t entries) {
  std::mt19937_64 random(17);
  std::vector<std::string> keys;
  std::ofstream file(path);
  const std::string value(128, 'v');
  for (std::size_t i = 0; i < entries; ++i) {
    keys.push_back("key:" + std::to_string(random()));
    file << R"({"key":")" << keys.back() << R"(","value":")" << value
         << R"(","format":"text","tags":[],"expires":null,"stored":1763676301.123456789})" << '\n';
  }
  return keys;
}

void run_command(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  int status = -1;
  if (::posix_spawn(&child, words[0].c_str(), nullptr, nullptr, arguments.data(), environ) != 0 ||
      ::waitpid(child, &status, 0) != child || status != 0) {
    throw std::runtime_error("'" + words[0] + "' failed");
  }
}

/// The statements that made a cache's tables.
std::vector<std::string> tables_of(const fs::path& directory) {
  { const dcache::Cache cache(directory); }
  const bench::raw::Database database(directory / "cache.db", false);
  bench::raw::Statement row(database, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid");
  std::vector<std::string> tables;
  while (row.step()) tables.emplace_back(row.bytes(0));
  row.reset();
  return tables;
}

double insert_raw(const fs::path& path, const std::vector<std::string>& tables,
                  const std::vector<std::string>& keys) {
  bench::raw::Database database(path);
  database.run("PRAGMA page_size=2048; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
  database.run("PRAGMA cache_size=-8192; PRAGMA wal_autocheckpoint=2000");
  for (const std::string& table : tables) database.run(table);
  const std::string value(128, 'v');
  bench::raw::Statement insert(
      database, "INSERT INTO entries(key, stored, format, sum, value) VALUES(?1, ?2, 1, ?3, ?4)");
  const bench::Stopwatch watch;
  for (std::size_t at = 0; at < keys.size(); at += kBatch) {
    database.run("BEGIN IMMEDIATE");
    for (std::size_t i = at; i < std::min(at + kBatch, keys.size()); ++i) {
      insert.bind(1, keys[i])
          .bind(2, static_cast<std::int64_t>(1'763'676'301'000'000'000 + i))
          .bind(3, static_cast<std::int64_t>(i * 0x9E3779B97F4A7C15U))
          .bind(4, value)
          .run();
    }
    database.run("COMMIT");
  }
  return watch.seconds();
}

int run(bench::Arguments& arguments) {
  const std::size_t entries = arguments.numbers("--entries", {200'000}).front();
  const std::size_t rounds = arguments.numbers("--rounds", {5}).front();
  const std::optional<std::string> directory = arguments.text("--dir");
  const std::string beside =
      (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "dcache" / "dcache").native();
  const std::string command = arguments.text("--command").value_or(beside);
  arguments.finish(kUsage);
  const bench::Scratch scratch(directory);
  const std::string lines = (scratch.path() / "lines").native();
  const std::vector<std::string> keys = make_lines(lines, entries);
  const std::vector<std::string> tables = tables_of(scratch.path() / "tables");

  std::vector<double> raw;
  std::vector<double> import;
  std::vector<double> export_;
  for (std::size_t round = 0; round < rounds; ++round) {
    raw.push_back(insert_raw(scratch.path() / "raw.db", tables, keys));
    for (const char* name : {"raw.db", "raw.db-wal", "raw.db-shm"}) fs::remove(scratch.path() / name);
    const std::string cache = (scratch.path() / "cache").native();
    const bench::Stopwatch importing;
    run_command({command, "import", lines, "--quiet", "--dir", cache});
    import.push_back(importing.seconds());
    const bench::Stopwatch exporting;
    run_command({command, "export", cache + ".jsonl", "--quiet", "--dir", cache});
    export_.push_back(exporting.seconds());
    fs::remove_all(cache);
    fs::remove(cache + ".jsonl");
  }
  const double base = bench::median(raw);
  const bench::Table table({{"work", -12}, {"entries", 8}, {"s", 7}, {"1000/s", 7}, {"x raw", 7}});
  const auto show = [&](const char* name, const std::vector<double>& seconds) {
    const double one = bench::median(seconds);
    table.row({name, std::to_string(entries), fixed(one, 2),
               fixed(static_cast<double>(entries) / one / 1000, 0), fixed(base / one, 2)});
  };
  show("raw inserts", raw);
  show("import", import);
  show("export", export_);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
