// SPDX-License-Identifier: Apache-2.0
//
// A full disk in the middle of a backup, a restore or a compact.
#include "disk/small_disk.hpp"
#include "support/files.hpp"

namespace fs = std::filesystem;

namespace {

void fill(Cache& cache, int count, std::size_t size) {
  for (int i = 0; i < count; ++i) {
    cache.set("k" + std::to_string(i), std::string(size, 'v'), {.tags = i % 4 == 0 ? Tags{} : Tags{"most"}});
  }
}

void check_sound(Cache& cache, std::uint64_t entries) {
  CHECK(cache.size() == entries);
  for (const Problem& problem : cache.check().problems) FAIL_CHECK(problem.text);
}

std::size_t names_in(const fs::path& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("a backup that finds no room is Full, and gives back what it took") {
  const TempDir dir;
  Cache cache(dir / "cache");
  fill(cache, 200, 20'000);
  cache.set("large", std::string(1 << 20, 'x'));
  for (const char* size : {"100k", "2m", "4m"}) {
    CAPTURE(size);
    const SmallDisk disk(size);
    const std::uint64_t free = disk.free_bytes();
    const std::string text = thrown<Full>([&] { cache.backup(disk.path() / "b"); });
    CHECK(has(text, "no space left for the backup"));
    CHECK(names_in(disk.path()) == 0);
    CHECK(disk.free_bytes() == free);
  }
  check_sound(cache, 201);
}

TEST_CASE("a restore that finds no room is Full, and makes nothing") {
  const TempDir dir;
  {
    Cache cache(dir / "cache");
    fill(cache, 200, 20'000);
    cache.set("large", std::string(1 << 20, 'x'));
    cache.backup(dir / "b");
  }
  for (const char* size : {"100k", "2m", "4m"}) {
    CAPTURE(size);
    const SmallDisk disk(size);
    CHECK(has(thrown<Full>([&] { static_cast<void>(Cache::restore(dir / "b", disk.path() / "copy")); }),
              "no space left to restore"));
    CHECK(names_in(disk.path()) == 0);
  }
}

TEST_CASE("a compact that finds no room is Full, and leaves the cache as it was") {
  const SmallDisk disk("24m");
  Cache cache(disk.path() / "cache");
  fill(cache, 400, 20'000);
  cache.evict("most");
  fill(cache, 300, 20'000);
  const std::uint64_t entries = cache.size();
  disk.fill(1 << 20);
  const std::string text = thrown<Full>([&] { cache.compact(); });
  CHECK(has(text, "compact needs"));
  CHECK(has(text, "free"));
  check_sound(cache, entries);
  cache.evict("most");
  cache.set("new", "v");

  // The disk fills up while it runs.
  disk.empty();
  bool filled = false;
  try {
    cache.compact({.on_progress = [&](std::uint64_t, std::uint64_t) {
      if (!filled) disk.fill();
      filled = true;
    }});
  } catch (const Full&) {
  }
  disk.empty();
  check_sound(cache, cache.size());
  CHECK(cache.compact().complete);
  CHECK(fs::file_size(disk.path() / "cache" / "cache.db-wal") <= 1 << 20);
}
