// SPDX-License-Identifier: Apache-2.0
//
// What a cache adds to the memory of its process. In processes of their own, forked before this one has used
// any: all of what is measured is the cache's. tools/bench/footprint.cpp tells it for many more values.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <random>

#include "support/check.hpp"

namespace {

constexpr long kMiB = 1024;

/// Memory that belongs to no file, in KiB: without the code and the board, which processes share.
long own_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    long size = 0;
    if (name == "RssAnon:" && status >> size) return size;
    status.ignore(4096, '\n');
  }
  return -1;
}

/// By how many KiB `work` makes a process of its own larger; -1 if it fails.
long growth_by(const std::function<void(const std::function<void()>& measure)>& work) {
  auto* const grown = static_cast<long*>(
      ::mmap(nullptr, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(grown != MAP_FAILED);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(100);
    int code = 1;
    try {
      const long before = own_memory();
      work([&] { *grown = own_memory() - before; });
      code = 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    ::_exit(code);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  const long result = status == 0 ? *grown : -1;
  ::munmap(grown, sizeof(long));
  return result;
}

constexpr int kEntries = 60'000;

/// In no order: multiplied by a number that loses nothing.
std::string key_of(std::uint64_t number) { return std::to_string(number * 0x9E3779B97F4A7C15U); }

/// So that neither pages nor copies of all of them have room. Another thread reads them, with a connection of
/// its own.
void store_and_read(Cache& cache) {
  const std::string value(128, 'v');
  std::mt19937_64 random(1);
  for (int at = 0; at < kEntries; at += 1000) {
    cache.transact([&](Transaction& transaction) {
      for (int i = at; i < at + 1000; ++i) transaction.set(key_of(static_cast<std::uint64_t>(i)), value);
    });
  }
  const bool all = elsewhere([&] {
    int found = 0;
    for (int i = 0; i < kEntries; ++i) found += cache.get(key_of(random() % kEntries)) ? 1 : 0;
    return found == kEntries;
  });
  if (!all) throw std::runtime_error("a value is missing");
}

}  // namespace

TEST_SUITE("process") {
  TEST_CASE("a cache that was used a little and is idle takes less than 1.5 MiB") {
    const TempDir dir;
    const long grown = growth_by([&](const auto& measure) {
      Cache cache(dir / "cache");
      const std::string value(128, 'v');
      for (int i = 0; i < 1000; ++i) {
        static_cast<void>(cache.get(std::to_string(i)));
        cache.set(std::to_string(i), value);
      }
      measure();
    });
    CHECK(grown > 0);
    CHECK(grown < 3 * kMiB / 2);
  }

  // 16 MiB more than `memory`, of which code, board and the log's index take up to 3.
  TEST_CASE("any number of values makes a process larger by `memory` and 13 MiB at most, whoever made them") {
    const TempDir dir;
    for (const bool first : {true, false}) {
      for (const long memory : {4 * kMiB, 0L}) {
        CAPTURE(first);
        CAPTURE(memory);
        const std::string path = dir / std::to_string(memory);
        const long grown = growth_by([&](const auto& measure) {
          Cache cache(path, {.memory = static_cast<std::uint64_t>(memory) << 10});
          store_and_read(cache);
          measure();
        });
        CHECK(grown > memory + 8 * kMiB);
        CHECK(grown <= memory + 13 * kMiB);
      }
    }
  }
}
