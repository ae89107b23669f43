// SPDX-License-Identifier: Apache-2.0
//
// SIGKILL at any moment: what was acknowledged is there, what was not is there as a whole or not at all.
#include <random>

#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/history.hpp"
#include "support/outcome.hpp"
#include "support/worker.hpp"

namespace {

/// What differs between two models, for people.
std::string difference(const Model& expected, const Model& found) {
  for (const auto& [key, value] : expected) {
    const auto at = found.find(key);
    if (at == found.end()) return key + " is missing";
    if (at->second != value) return key + " is other";
  }
  for (const auto& [key, value] : found) {
    if (!expected.contains(key)) return key + " should not be there";
  }
  return {};
}

std::size_t value_files(const std::filesystem::path& cache) {
  std::size_t count = 0;
  if (!std::filesystem::exists(cache / "values")) return count;  // made for the first one
  for (const auto& file : std::filesystem::recursive_directory_iterator(cache / "values")) {
    if (file.is_regular_file()) ++count;
  }
  return count;
}

std::size_t large_values(const Cache& cache) {
  std::size_t count = 0;
  for (const Entry& entry : cache.entries({.values = false})) {
    if (entry.size > Options().file_threshold) ++count;
  }
  return count;
}

/// Where the databases of a cache are.
std::vector<std::filesystem::path> shard_directories(const std::filesystem::path& cache,
                                                     std::uint32_t shards) {
  std::vector<std::filesystem::path> all{cache};
  for (std::uint32_t i = 1; i < shards; ++i) all.push_back(cache / ("shard-0" + std::to_string(i)));
  return all;
}

/// Kills a writer again and again, in a cache of so many shards, and looks at what it has left.
void kill_writers(std::uint32_t shards, int kills) {
  const TempDir dir;
  const std::string path = dir / "cache";
  { const Cache made(path, {.shards = shards}); }
  const std::vector<std::filesystem::path> directories = shard_directories(path, shards);
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::uint64_t last_fence = 0;
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < kills; ++round) {
    CAPTURE(round);
    const std::string prefix = "r" + std::to_string(round) + ":";
    const std::uint64_t own_seed = seed + static_cast<unsigned>(round);
    Worker worker({"writer", path, std::to_string(own_seed), prefix});
    const std::string first = worker.line();
    REQUIRE(first.starts_with("fence "));
    const std::uint64_t fence = std::stoull(first.substr(6));
    CHECK(fence > last_fence);
    last_fence = fence;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    worker.kill();

    // The series up to the last acknowledged write, and perhaps the one after it.
    Model expected;
    std::uint64_t done = 0;
    for (const std::string& line : worker.rest()) {
      REQUIRE(line == std::to_string(done));
      perform(operation(own_seed, done, prefix), expected);
      ++done;
    }
    acknowledged += done;
    Cache again(path, {.timeout = 5s});
    const Model found = stored(again, prefix);
    std::string wrong = difference(expected, found);
    if (!wrong.empty()) {
      perform(operation(own_seed, done, prefix), expected);
      if (difference(expected, found).empty()) wrong.clear();
    }
    CAPTURE(done);
    CHECK(wrong == "");
    SyncLock lock(again, "writer");
    SyncRLock rlock(again, "writer again");
    CHECK(lock.try_lock_for(1s));
    CHECK(rlock.try_lock_for(1s));
    CHECK(lock.previous_owner_died());
    CHECK(lock.fence() > fence);
    if (round % 20 == 0 || round == kills - 1) {
      for (const auto& one : directories) CHECK(integrity(one) == "ok");
      again.expire();  // sweeps what the killed have left of files
      std::size_t files = 0;
      for (const auto& one : directories) files += value_files(one);
      CHECK(files == large_values(again));
      for (const Problem& problem : again.check().problems) FAIL_CHECK(problem.text);
      again.clear();
    }
    if (failed_so_far()) break;
  }
  MESSAGE(kills << " kills, " << acknowledged << " acknowledged writes, seed " << seed);
  CHECK(acknowledged > static_cast<std::uint64_t>(kills));
}

}  // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE(
    "a writer that is killed at a random moment has lost nothing that it acknowledged, and no lock stays") {
  kill_writers(1, rounds(200));
}

TEST_CASE("a writer to four shards that is killed has lost nothing that it acknowledged either") {
  kill_writers(4, rounds(100));
}

TEST_CASE("processes that are killed while they make a cache leave one that others can use") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < rounds(40); ++round) {
    CAPTURE(round);
    const TempDir dir;
    {
      Worker one({"writer", dir / "cache", "1", "a:"});
      Worker two({"writer", dir / "cache", "2", "b:"});
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
      one.kill();
      two.kill();
    }
    Cache cache(dir / "cache", {.timeout = 5s});
    cache.set("k", "v");
    CHECK(cache.get("k") == "v");
    CHECK(integrity(dir / "cache") == "ok");
  }
}

TEST_CASE_FIXTURE(OneCache, "killing one of several writers harms none of the others") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Worker steady({"load", path(), "steady", std::to_string(rounds(3000)), std::to_string(seed)});
  REQUIRE(steady.line() == "ready");
  steady.say("go");
  int kills = 0;
  std::optional<std::string> line;
  while (!(line = steady.try_line(0ms))) {
    Worker doomed({"writer", path(), std::to_string(random() % 1000), "doomed:"});
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
    doomed.kill();
    ++kills;
  }
  CHECK(line->starts_with("incremented "));
  CHECK(cache.get("total") == line->substr(12));
  for (const std::string& more : steady.rest()) CHECK_FALSE(more.starts_with("wrong"));
  CHECK(kills > 0);
  CHECK(integrity(dir / "cache") == "ok");
}

TEST_SUITE_END();
