// SPDX-License-Identifier: Apache-2.0
//
// A full disk: what does not fit is refused by name, what was stored stays, and what can free space works.
#include <map>
#include <random>

#include "board/board.hpp"
#include "board/layout.hpp"
#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "dcache/queue.hpp"
#include "dcache/store.hpp"
#include "disk/small_disk.hpp"
#include "support/database.hpp"
#include "support/files.hpp"

namespace fs = std::filesystem;

namespace {

using Model = std::map<std::string, std::string>;

std::string value_of(int i, std::size_t size) {
  std::string value = "value " + std::to_string(i) + " ";
  value.resize(size, static_cast<char>('a' + i % 26));
  return value;
}

/// Stores values until there is no room. Some have tags.
int fill_up(Cache& cache, Model& model, std::size_t size, int first = 0) {
  for (int i = first;; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::string value = value_of(i, size);
    try {
      cache.set(key, value, {.tags = i % 2 == 0 ? Tags{"even"} : Tags{}});
    } catch (const Full&) {
      return i;
    }
    model[key] = value;
  }
}

void check_intact(const Cache& cache, const Model& model) {
  std::size_t wrong = 0;
  for (const auto& [key, value] : model) {
    if (cache.get(key) != value) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(cache.size() == model.size());
}

std::size_t count_files(const fs::path& directory) {
  std::size_t count = 0;
  if (!fs::exists(directory)) return 0;
  for (const auto& file : fs::recursive_directory_iterator(directory)) count += file.is_directory() ? 0 : 1;
  return count;
}

void check_healthy(Cache& cache) {
  for (const Problem& problem : cache.check().problems) FAIL_CHECK(problem.text);
}

/// The room of a board that is deleted is free when nobody has it mapped any more.
void lose_board(const Cache& cache) {
  fs::remove(cache.directory() / "board");
  std::this_thread::sleep_for(150ms);
  CHECK(cache.stats().board);  // one could be made
  CHECK_FALSE(fs::exists(cache.directory() / "board"));
}

}  // namespace

TEST_CASE(
    "values fill a disk until Full; what is stored stays, can be removed at 0 bytes free, and then writes go "
    "on") {
  for (const std::size_t size : {std::size_t{100}, std::size_t{3000}, std::size_t{30000}}) {
    CAPTURE(size);
    const SmallDisk disk("12m");
    Model model;
    {
      Cache cache(disk.path() / "cache");
      int next = fill_up(cache, model, size);
      CHECK(next > 100);
      check_intact(cache, model);

      disk.fill();
      CHECK(disk.free_bytes() == 0);
      // What had been reserved is soon used up.
      const int full = fill_up(cache, model, size, next);
      CHECK(full < next + 5000);
      next = full;
      CHECK_THROWS_AS(cache.set("key1", std::string(33'000, 'n')), Full);
      check_intact(cache, model);

      for (int i = 0; i < 50; ++i) {
        const std::string key = "key" + std::to_string(i);
        CHECK(cache.erase(key));
        model.erase(key);
      }
      check_intact(cache, model);
      const std::uint64_t evicted = cache.evict("even");
      CHECK(evicted ==
            std::erase_if(model, [](const auto& item) { return (item.first.back() - '0') % 2 == 0; }));
      check_intact(cache, model);

      // What was removed makes room in the database.
      cache.set("new", "value");
      model["new"] = "value";
      disk.empty();
      CHECK(fill_up(cache, model, size, next) > next);
      check_intact(cache, model);
      check_healthy(cache);
    }
    Cache again(disk.path() / "cache");
    check_intact(again, model);
    CHECK(integrity(disk.path() / "cache") == "ok");
  }
}

TEST_CASE("large values fill a disk until Full, and no part of a file is left") {
  const SmallDisk disk("12m");
  Model model;
  const fs::path path = disk.path() / "cache";
  Cache cache(path);
  const int next = fill_up(cache, model, 100'000);
  CHECK(next > 20);
  check_intact(cache, model);
  CHECK(count_files(path / "values") == model.size());

  disk.fill();
  CHECK_THROWS_AS(cache.set("key1", std::string(90'000, 'n')), Full);
  CHECK_THROWS_AS(cache.set_from("key1", [](std::span<std::byte> room) { return room.size(); }), Full);
  check_intact(cache, model);
  CHECK(count_files(path / "values") == model.size());

  for (int i = 0; i < 10; ++i) {
    const std::string key = "key" + std::to_string(i);
    CHECK(cache.erase(key));
    model.erase(key);
  }
  CHECK(count_files(path / "values") == model.size());
  CHECK(disk.free_bytes() > 500'000);
  CHECK(fill_up(cache, model, 100'000, next) > next);
  CHECK(cache.evict("even") > 5);
  std::erase_if(model, [](const auto& item) { return (item.first.back() - '0') % 2 == 0; });
  check_intact(cache, model);
  CHECK(count_files(path / "values") == model.size());
  check_healthy(cache);
}

TEST_CASE("a disk that is filled by others leaves a young cache able to remove values") {
  for (const int values : {1, 20, 200}) {
    CAPTURE(values);
    const SmallDisk disk("8m");
    Cache cache(disk.path() / "cache");
    Model model;
    for (int i = 0; i < values; ++i) {
      const std::string key = "key" + std::to_string(i);
      cache.set(key, model[key] = value_of(i, 100));
    }
    disk.fill();
    CHECK(disk.free_bytes() == 0);
    check_intact(cache, model);
    for (int i = 0; i < values; ++i) {
      const std::string key = "key" + std::to_string(i);
      CHECK(cache.erase(key));
      model.erase(key);
    }
    check_intact(cache, model);
    disk.empty();
    cache.set("new", "value");
    check_healthy(cache);
  }
}

TEST_CASE("after opening anew on a full disk locks work, and much can be removed at once") {
  const SmallDisk disk("24m");
  const fs::path path = disk.path() / "cache";
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto fill_and_open = [&](int values) {
    disk.empty();
    {
      Cache cache(path);
      cache.transact([&](Transaction& transaction) {
        for (int i = 0; i < values; ++i) {
          // Each is on other pages of every index.
          transaction.set(std::to_string(random()), std::string(100, 'v'),
                          {.expire = std::chrono::seconds(3600 + random() % 1000),
                           .tags = {"all", std::to_string(random())}});
        }
      });
      cache.set("expired", "v", {.expire = 0s});
    }
    disk.fill();
    CHECK(disk.free_bytes() == 0);
    return Cache(path);
  };
  constexpr int kValues = 8000;
  {
    Cache cache = fill_and_open(kValues);
    SyncLock lock(cache, "lock");
    for (int i = 0; i < 300; ++i) {
      lock.lock();
      lock.unlock();
    }
    CHECK(cache.expire() == 1);
    CHECK(cache.clear() == kValues);
    CHECK(disk.free_bytes() == 0);
    cache.set("new", "v");
    check_healthy(cache);
  }
  {
    Cache cache = fill_and_open(kValues);
    CHECK(cache.evict("all") == kValues);
    check_healthy(cache);
  }
  CHECK(integrity(path) == "ok");
}

TEST_CASE("on a full disk items are pulled and acked, in a cache of one shard and of several") {
  for (const std::uint32_t shards : {1U, 4U}) {
    CAPTURE(shards);
    const SmallDisk disk("16m");
    Cache cache(disk.path() / "cache", {.shards = shards});
    // With four, in another shard than the locks.
    std::string name = "jobs";
    while (shards > 1 && cache.state()->store().shard_of(name) == 0) name += 'x';
    Queue jobs(cache, name);
    const auto fill_up_with = [&](std::size_t size) {
      try {
        for (;;) jobs.push(std::string(size, 'j'));
      } catch (const Full&) {
      }
    };
    fill_up_with(3000);
    disk.fill();
    fill_up_with(10);
    const std::uint64_t before = jobs.size();
    for (int i = 0; i < 50; ++i) CHECK(jobs.pull());
    for (int i = 0; i < 50; ++i) {
      auto item = jobs.lease();
      REQUIRE(item);
      CHECK(item->ack());
    }
    CHECK(jobs.size() == before - 100);
    CHECK(cache.check().problems.empty());
  }
}

TEST_CASE("a transaction that does not fit stores nothing") {
  const SmallDisk disk("8m");
  Cache cache(disk.path() / "cache");
  Model model;
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key" + std::to_string(i);
    cache.set(key, model[key] = value_of(i, 500));
  }
  const auto too_much = [&] {
    cache.transact([&](Transaction& transaction) {
      for (int i = 0; i < 1000; ++i) transaction.set("key" + std::to_string(i), value_of(i, 20'000));
    });
  };
  CHECK_THROWS_AS(too_much(), Full);
  check_intact(cache, model);
  CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
    transaction.set("file", std::string(100'000, 'f'));
    for (int i = 0; i < 1000; ++i) transaction.set("key" + std::to_string(i), value_of(i, 20'000));
  }),
                  Full);
  check_intact(cache, model);
  CHECK(count_files(disk.path() / "cache" / "values") == 0);
  cache.set("new", "v");
  model["new"] = "v";
  check_intact(cache, model);
  check_healthy(cache);
}

TEST_CASE("a check on a full disk reports what it cannot set aside") {
  const SmallDisk disk("8m");
  const fs::path path = disk.path() / "cache";
  {
    Cache cache(path);
    for (int i = 0; i < 100; ++i) cache.set("key" + std::to_string(i), value_of(i, 500));
  }
  Database(path / "cache.db").run("UPDATE entries SET value = x'00' WHERE id % 10 = 0");
  Cache cache(path);
  cache.set("so that there is a log", "v");
  disk.fill();
  const CheckReport report = cache.check({.fix = true});
  CHECK(report.problems.size() == 10);
  for (const Problem& problem : report.problems) CHECK_FALSE(problem.fixed);
  disk.empty();
  for (const Problem& problem : cache.check({.fix = true}).problems) CHECK(problem.fixed);
  check_healthy(cache);
  CHECK(cache.size() == 91);
}

TEST_CASE("a full disk has no room for a board: waiters do without, until there is some") {
  const SmallDisk disk("4m");
  Cache cache(disk.path() / "cache");
  cache.set("k", "v");
  Store& store = cache.state()->store();
  lose_board(cache);
  disk.fill();
  CHECK_FALSE(store.wake_word(1).has_value());
  store.wake(store.session(), 1);
  CHECK_FALSE(cache.stats().board);
  SyncLock lock(cache, "lock");
  lock.lock();
  CHECK(lock.release() == Release::released);
  CHECK_FALSE(fs::exists(disk.path() / "cache" / "board"));
  CHECK(count_files(disk.path() / "cache") == 5);  // no half of a board either
  disk.empty();
  CHECK(eventually([&] { return store.wake_word(1).has_value(); }));
  CHECK(cache.stats().board);
}

TEST_CASE("on a full disk a cache that has lost its board gives right answers, and removals work") {
  const SmallDisk disk("8M");
  const std::string path = disk.path() / "cache";
  Cache reader(path);
  Cache writer(path);
  writer.set("k", "v");
  for (int i = 0; i < 3; ++i) CHECK(reader.get("k") == "v");
  for (const Cache* cache : {&reader, &writer}) lose_board(*cache);
  disk.fill();
  for (int i = 0; i < 3; ++i) CHECK(reader.get("k") == "v");
  CHECK(writer.erase("k"));
  for (int i = 0; i < 3; ++i) CHECK_FALSE(reader.get("k").has_value());
  CHECK_FALSE(fs::exists(disk.path() / "cache" / "board"));
  disk.empty();
  CHECK(eventually([&] {
    writer.set("k", "w");
    CHECK(reader.get("k") == "w");
    return fs::exists(disk.path() / "cache" / "board");
  }));
  writer.set("k", "x");
  for (int i = 0; i < 3; ++i) CHECK(reader.get("k") == "x");
}

TEST_CASE("a board with holes is not used on a full disk, where touching it would be fatal") {
  const SmallDisk disk("1m");
  const fs::path path = disk.path() / "board";
  const auto there = [] { return true; };
  CHECK(board::Board(disk.path(), "one", there).word(4000).has_value());
  const std::string header = read_file(path).substr(0, sizeof(board::Header));
  write_file(path, header);
  fs::resize_file(path, board::kBytes);
  disk.fill();
  board::Board holed(disk.path(), "one", there);
  CHECK_FALSE(holed.word(4000).has_value());
  holed.wake(4000);
  disk.empty();
  CHECK(eventually([&] { return holed.word(4000).has_value(); }));
  holed.wake(4000);
  CHECK(read_file(path).starts_with(header));
}

TEST_CASE("a file of hints with holes is not touched on a full disk, and values are found without") {
  const SmallDisk disk("8m");
  const std::string path = disk.path() / "cache";
  const auto name = [](int i) { return std::to_string(i); };
  constexpr int kKeys = 200;
  {
    Cache cache(path, {.memory = 0});
    for (int i = 0; i < kKeys; ++i) cache.set(name(i), name(i));
  }
  const fs::path hints = disk.path() / "cache" / "hints";
  REQUIRE(fs::exists(hints));
  fs::resize_file(hints, 0);
  fs::resize_file(hints, std::uintmax_t{2} << 20);
  disk.fill();
  Cache cache(path, {.memory = 0});
  for (int i = 0; i < kKeys; ++i) CHECK(cache.get(name(i)) == name(i));
  for (int i = 0; i < kKeys; ++i) CHECK(cache.erase(name(i)));
  CHECK(cache.size() == 0);
}

TEST_CASE("where nothing may be written there is no board") {
  const SmallDisk disk("1m");
  const auto there = [] { return true; };
  const auto read_only = [&](unsigned long flags) {
    return ::mount("none", disk.path().c_str(), "tmpfs", MS_REMOUNT | flags, "mode=0700,size=1m") == 0;
  };
  for (const bool made : {false, true}) {
    CAPTURE(made);
    if (made) CHECK(board::Board(disk.path(), "one", there).word(1).has_value());
    REQUIRE(read_only(MS_RDONLY));
    board::Board board(disk.path(), "one", there);
    CHECK_FALSE(board.can_be_had());
    CHECK_FALSE(board.word(1).has_value());
    REQUIRE(read_only(0));
  }
}
