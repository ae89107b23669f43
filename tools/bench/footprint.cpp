// SPDX-License-Identifier: Apache-2.0
//
// What a cache adds to the resident memory of its process: opened, used and left alone, and while many values
// are stored and read. Each in a process of its own, so that nothing was there before.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

#include "dcache/dcache.hpp"
#include "support.hpp"
#include "table.hpp"
#include "workload.hpp"

namespace {

using bench::fixed;

constexpr std::string_view kUsage =
    "usage: bench-footprint [--dir DIR] [--entries N] [--reads N] [--page-cache BYTES] [--quick]\n"
    "  --entries  values of 128 bytes that are stored (10000000)\n"
    "  --reads    values that are read at random (5000000)\n"
    "  --quick    a hundredth of both";

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kFew = 1000;

/// In KiB.
struct Resident {
  long all = 0;
  long most = 0;   ///< since the process began
  long own = 0;    ///< what belongs to no file
  long cache = 0;  ///< of the cache's files: board and index of the log, shared by all processes
};

/// `directory` is where the cache is.
Resident resident(const std::string& directory) {
  Resident found;
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    if (name == "VmRSS:") status >> found.all;
    if (name == "VmHWM:") status >> found.most;
    if (name == "RssAnon:") status >> found.own;
    status.ignore(4096, '\n');
  }
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) inside = line.find(directory) != std::string::npos;
    if (inside && line.starts_with("Rss:")) found.cache += std::stol(line.substr(4));
  }
  return found;
}

/// Rows that tell what has been added since this was made.
class Growth {
 public:
  Growth(const bench::Table& table, std::filesystem::path directory)
      : table_(table), directory_(std::move(directory)), start_(resident(directory_.native())) {}

  void row(const std::string& what) const {
    const Resident now = resident(directory_.native());
    const auto mib = [](long kib) { return fixed(static_cast<double>(kib) / 1024, 2); };
    const long own = now.own - start_.own;
    table_.row({what, mib(now.all - start_.all), mib(now.most - start_.all), mib(own), mib(now.cache),
                mib(now.all - start_.all - own - now.cache)});
  }

 private:
  const bench::Table& table_;
  std::filesystem::path directory_;
  Resident start_;
};

void in_fresh_process(const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 0;
    try {
      work();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      code = 1;
    }
    std::fflush(stdout);
    ::_exit(code);
  }
  int status = 1;
  if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0)
    throw std::runtime_error("a measuring process failed");
}

std::string key(std::size_t number) {
  // Digits in an order that is none, as keys come in: a multiplication that loses nothing.
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;
  char text[32];
  std::snprintf(text, sizeof(text), "user:%016llx", static_cast<unsigned long long>((number + 1) * kOdd));
  return text;
}

void store(dcache::Cache& cache, std::size_t entries) {
  bench::Values values(128);
  for (std::size_t at = 0; at < entries; at += kBatch) {
    cache.transact([&](dcache::Transaction& transaction) {
      for (std::size_t i = at; i < std::min(at + kBatch, entries); ++i) {
        transaction.set(key(i), values.next());
      }
    });
  }
}

void measure_idle(const bench::Table& table, const std::filesystem::path& directory) {
  const Growth growth(table, directory);
  dcache::Cache cache(directory);
  growth.row("opened");
  static_cast<void>(cache.get(key(0)));
  growth.row("after a get");
  cache.set(key(0), "v");
  growth.row("after a set");
  bench::Values values(128);
  for (std::size_t i = 0; i < kFew; ++i) {
    static_cast<void>(cache.get(key(i)));
    cache.set(key(i), values.next());
  }
  growth.row("after 1,000 gets and sets");
  std::this_thread::sleep_for(std::chrono::seconds(2));
  growth.row("2 s later");
  dcache::Cache second(directory);
  static_cast<void>(second.get(key(0)));
  second.set(key(0), "v");
  growth.row("a second Cache of it");
}

void measure_growth(const bench::Table& table, const std::filesystem::path& directory,
                    const dcache::Options& options, std::size_t entries, std::size_t reads) {
  const std::string memory = "memory " + std::to_string(options.memory >> 20) + " MiB, ";
  const Growth growth(table, directory);
  dcache::Cache cache(directory, options);
  store(cache, entries);
  growth.row(memory + std::to_string(entries) + " stored");
  bench::Random random(1);
  for (std::size_t i = 0; i < reads; ++i) {
    if (!cache.get(key(random() % entries))) throw std::runtime_error("a value is missing");
  }
  growth.row(memory + std::to_string(reads) + " read");
}

int run(bench::Arguments& arguments) {
  const std::size_t part = arguments.flag("--quick") ? 100 : 1;
  const std::size_t entries = arguments.numbers("--entries", {10'000'000 / part}).front();
  const std::size_t reads = arguments.numbers("--reads", {5'000'000 / part}).front();
  dcache::Options options;
  options.page_cache = arguments.numbers("--page-cache", {options.page_cache}).front();
  const std::optional<std::string> directory = arguments.text("--dir");
  arguments.finish(kUsage);

  std::printf("MiB of resident memory more than before the cache was opened; values of 128 bytes\n\n");
  const bench::Table table(
      {{"", -36}, {"all", 7}, {"at most", 7}, {"own", 7}, {"board, -shm", 11}, {"code", 7}});
  const bench::Scratch scratch(directory);
  in_fresh_process([&] {
    dcache::Cache cache(scratch.path() / "idle");
    store(cache, 10 * kFew);
  });
  in_fresh_process([&] { measure_idle(table, scratch.path() / "idle"); });
  table.rule();
  for (const std::uint64_t memory : {options.memory, std::uint64_t{0}}) {
    options.memory = memory;
    in_fresh_process(
        [&] { measure_growth(table, scratch.path() / std::to_string(memory), options, entries, reads); });
    std::filesystem::remove_all(scratch.path() / std::to_string(memory));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
