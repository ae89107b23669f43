// SPDX-License-Identifier: Apache-2.0
//
// Several processes at a cache of several shards.
#include <filesystem>
#include <random>
#include <set>

#include "shards/sharded.hpp"
#include "support/worker.hpp"

namespace fs = std::filesystem;

TEST_SUITE_BEGIN("process");

TEST_CASE("sixty-four processes that open a cache while it is being made have one, of four shards") {
  const TempDir dir;
  const std::string path = dir / "cache";
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 64; ++i)
    workers.push_back(std::make_unique<Worker>(std::vector<std::string>{"--shards=4", "open", path}));
  for (const auto& worker : workers) {
    const std::string line = worker->line();
    CHECK_MESSAGE(line.starts_with("opened "), line);
    CHECK(worker->rest() == std::vector<std::string>{"stored v"});
    CHECK(worker->wait() == 0);
  }
  Cache cache(path);
  CHECK(cache.stats().shards == 4);
  CHECK(cache.check().problems.empty());
}

TEST_CASE("processes that want different numbers end up with one of them, and are told") {
  for (int round = 0; round < rounds(5); ++round) {
    const TempDir dir;
    const std::string path = dir / "cache";
    std::vector<std::unique_ptr<Worker>> workers;
    for (int i = 0; i < 8; ++i) {
      workers.push_back(std::make_unique<Worker>(
          std::vector<std::string>{"--shards=" + std::to_string(i % 2 == 0 ? 2 : 5), "open", path}));
    }
    int opened = 0;
    for (const auto& worker : workers) {
      const std::string line = worker->line();
      opened += line.starts_with("opened ") ? 1 : 0;
      if (!line.starts_with("opened ")) CHECK_MESSAGE(line.starts_with("InvalidArgument: "), line);
    }
    CHECK(opened == 4);
    const Cache cache(path);
    const std::uint64_t shards = cache.stats().shards;
    CHECK((shards == 2 || shards == 5));
  }
}

TEST_CASE("makers of four shards that are killed leave nothing half made") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  int unfinished = 0;
  // From the start to a while after the end, however long it takes here.
  const TempDir timed;
  const auto start = std::chrono::steady_clock::now();
  { const Cache made(timed / "cache", {.shards = 4}); }
  const auto took =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  const auto longest = static_cast<std::uint64_t>(3 * took.count() + 1000);
  for (int round = 0; round < rounds(40); ++round) {
    CAPTURE(round);
    const TempDir dir;
    {
      Worker one({"--shards=4", "writer", dir / "cache", "1", "a:"});
      Worker two({"--shards=4", "writer", dir / "cache", "2", "b:"});
      CHECK(eventually([&] { return fs::exists(dir / "cache"); }));
      std::this_thread::sleep_for(std::chrono::microseconds(random() % longest));
      one.kill();
      two.kill();
    }
    bool made = true;
    try {
      // Whoever asks for no number must not get a part of it.
      const Cache found(dir / "cache", {.timeout = 5s, .create = Create::never});
      CHECK(found.stats().shards == 4);
    } catch (const NotACache&) {
      made = false;
      ++unfinished;
    }
    CAPTURE(made);
    Cache cache(dir / "cache", {.timeout = 5s, .shards = 4});
    for (int i = 0; i < 20; ++i) cache.set("k" + std::to_string(i), "v");
    CHECK(cache.stats().shards == 4);
    CHECK(cache.check().problems.empty());
  }
  MESSAGE(unfinished << " were not made yet, seed " << seed);
}

TEST_CASE("settings that one process changes are in force for the writes of another, in every shard") {
  const TempDir dir;
  const std::string path = dir / "cache";
  Cache cache(path, {.shards = 4});
  Worker writer = shell(path);
  for (int i = 0; i < 8; ++i) CHECK(writer.ask("set k" + std::to_string(i) + " v") == "ok");
  cache.configure([](Settings& settings) { settings = {.size_limit = 4, .policy = Policy::none}; });
  for (std::size_t shard = 0; shard < kShards; ++shard) {
    CHECK(writer.ask("set " + key_in(cache, shard, "new") + " v").starts_with("Full: "));
  }
  cache.configure([](Settings& settings) { settings.size_limit = 0; });
  for (std::size_t shard = 0; shard < kShards; ++shard)
    CHECK(writer.ask("set " + key_in(cache, shard, "new") + " v") == "ok");
}

TEST_CASE("pulls and leases of one queue by several processes give each item to one") {
  const TempDir dir;
  const std::string path = dir / "cache";
  Cache cache(path, {.shards = 4});
  // A queue whose shard is not that of the locks.
  std::string name = "jobs";
  while (cache.state()->store().shard_of(name) == 0) name += "x";
  Queue jobs(cache, name);
  const int items = rounds(400);
  std::vector<std::unique_ptr<Worker>> workers;
  for (const char* what : {"consume", "work", "consume", "work"})
    workers.push_back(std::make_unique<Worker>(std::vector<std::string>{"queue", path, name, what}));
  for (int i = 0; i < items; ++i) jobs.push(std::to_string(i));
  for (std::size_t i = 0; i < workers.size(); ++i) jobs.push("end");
  std::multiset<std::string> seen;
  for (const auto& worker : workers) {
    for (const std::string& line : worker->rest()) {
      if (line != "end") seen.insert(line);
    }
    CHECK(worker->wait() == 0);
  }
  std::multiset<std::string> expected;
  for (int i = 0; i < items; ++i) expected.insert(std::to_string(i));
  CHECK(seen == expected);
  CHECK(jobs.size() == 0);
}

TEST_SUITE_END();
