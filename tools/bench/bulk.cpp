// SPDX-License-Identifier: Apache-2.0
//
// Work on many values at once, and what another writer notices of it: evict by tag, clear, check, and the
// same removals in raw SQLite, each as one statement.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "dcache/dcache.hpp"
#include "raw.hpp"
#include "support.hpp"
#include "table.hpp"

namespace {

using bench::fixed;

constexpr std::string_view kUsage =
    "usage: bench-bulk [--dir DIR] [--tagged N] [--entries N] [--quick]\n"
    "  --tagged   entries evicted by their tag (100000)\n"
    "  --entries  entries checked and cleared (1000000)\n"
    "  --quick    a tenth of both";

constexpr std::size_t kBatch = 1000;

void fill(dcache::Cache& cache, std::size_t entries, const std::string& prefix, const dcache::Tags& tags) {
  const std::string value(128, 'v');
  for (std::size_t at = 0; at < entries; at += kBatch) {
    cache.transact([&](dcache::Transaction& transaction) {
      for (std::size_t i = at; i < std::min(at + kBatch, entries); ++i) {
        transaction.set(prefix + std::to_string(i), value, {.tags = tags});
      }
    });
  }
}

/// Sets one value after another as a process with a connection of its own would, and keeps the time of each.
class Bystander {
 public:
  explicit Bystander(const std::function<void()>& write)
      : thread_([this, write] {
          while (!stop_) {
            const bench::Stopwatch watch;
            write();
            waits_.push_back(watch.microseconds());
            std::this_thread::sleep_for(std::chrono::microseconds(200));
          }
        }) {}
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;
  ~Bystander() { static_cast<void>(end()); }

  const std::vector<double>& end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    std::sort(waits_.begin(), waits_.end());
    return waits_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::vector<double> waits_;
  std::thread thread_;
};

struct Outcome {
  double seconds = 0;
  std::vector<double> waits;
};

Outcome beside(const std::function<void()>& write, const std::function<void()>& work) {
  Bystander bystander(write);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const bench::Stopwatch watch;
  work();
  const double seconds = watch.seconds();
  return {seconds, bystander.end()};
}

void show(const bench::Table& table, const std::string& name, std::size_t entries, const Outcome& outcome) {
  const auto at = [&](double part) {
    return outcome.waits.at(static_cast<std::size_t>(part * static_cast<double>(outcome.waits.size() - 1)));
  };
  table.row({name, std::to_string(entries), fixed(outcome.seconds, 2),
             fixed(static_cast<double>(entries) / outcome.seconds / 1000, 0),
             std::to_string(outcome.waits.size()), fixed(at(0.99) / 1000, 2),
             fixed(outcome.waits.back() / 1000, 2)});
}

void measure_raw(const std::filesystem::path& directory, std::size_t entries, const bench::Table& table) {
  const auto open = [&] {
    auto database = std::make_unique<bench::raw::Database>(directory / "raw.db");
    database->run("PRAGMA busy_timeout=60000; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
    database->run("PRAGMA secure_delete=OFF");
    return database;
  };
  const auto database = open();
  database->run("CREATE TABLE entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
  bench::raw::Statement put(*database, "INSERT INTO entries VALUES(?1, ?2) ON CONFLICT DO NOTHING");
  const std::string value(128, 'v');
  database->run("BEGIN");
  for (std::size_t i = 0; i < entries; ++i) put.bind(1, "key" + std::to_string(i)).bind(2, value).run();
  database->run("COMMIT");
  const auto other = open();
  bench::raw::Statement set(*other,
                            "INSERT INTO entries VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2");
  show(table, "raw DELETE", entries,
       beside([&] { set.bind(1, "bystander").bind(2, value).run(); },
              [&] { database->run("DELETE FROM entries WHERE key >= x'00'"); }));
}

int run(bench::Arguments& arguments) {
  const std::size_t part = arguments.flag("--quick") ? 10 : 1;
  const std::size_t tagged = arguments.numbers("--tagged", {100'000 / part}).front();
  const std::size_t entries = arguments.numbers("--entries", {1'000'000 / part}).front();
  const std::optional<std::string> directory = arguments.text("--dir");
  arguments.finish(kUsage);
  const bench::Scratch scratch(directory);
  dcache::Cache cache(scratch.path() / "cache");
  dcache::Cache other(scratch.path() / "cache");
  const std::string value(128, 'v');
  const auto write = [&] { other.set("bystander", value); };

  std::printf("values of 128 bytes; beside it one writer sets a value, naps 200 us, and so on\n\n");
  const bench::Table table({{"work", -12},
                            {"entries", 8},
                            {"s", 7},
                            {"1000/s", 7},
                            {"its sets", 9},
                            {"p99 ms", 8},
                            {"longest ms", 11}});
  fill(cache, tagged, "tagged", "tag");
  show(table, "evict", tagged, beside(write, [&] { cache.evict("tag"); }));
  fill(cache, entries, "key", {});
  show(table, "check", entries, beside(write, [&] {
         if (!cache.check().problems.empty()) throw std::runtime_error("the check found problems");
       }));
  show(table, "clear", entries, beside(write, [&] { cache.clear(); }));
  measure_raw(scratch.path(), tagged, table);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
