// SPDX-License-Identifier: Apache-2.0
//
// Making and opening caches of several shards, whole and not.
#include <sys/stat.h>

#include <filesystem>

#include "shards/sharded.hpp"
#include "support/files.hpp"

namespace fs = std::filesystem;

namespace {

/// Some values, in all shards.
void fill(Cache& cache) {
  for (int i = 0; i < 40; ++i) cache.set("k" + std::to_string(i), std::to_string(i));
}

void check_filled(const Cache& cache) {
  for (int i = 0; i < 40; ++i) CHECK(cache.get("k" + std::to_string(i)) == std::to_string(i));
  CHECK(cache.size() == 40);
}

/// The names in a directory.
std::size_t names_below(const fs::path& path) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("the number of shards is stored: without the option, or with the same number, all is there") {
  const TempDir dir;
  {
    Cache cache(dir / "cache", {.shards = 4});
    CHECK(cache.stats().shards == 4);
    fill(cache);
  }
  CHECK(fs::exists(dir / "cache" / "shard-03" / "cache.db"));
  CHECK_FALSE(fs::exists(dir / "cache" / "shard-04"));
  for (const std::uint32_t shards : {0U, 4U}) {
    for (const Create create : {Create::never, Create::directory}) {
      const Cache cache(dir / "cache", {.create = create, .shards = shards});
      CHECK(cache.stats().shards == 4);
      check_filled(cache);
    }
  }
}

TEST_CASE("another number of shards on reopening is InvalidArgument with both numbers, and changes nothing") {
  const TempDir dir;
  { Cache cache(dir / "four", {.shards = 4}); }
  { Cache cache(dir / "one"); }
  const auto before = snapshot(dir / "four");
  for (const std::uint32_t shards : {1U, 2U, 8U, 64U}) {
    const std::string text = thrown<InvalidArgument>([&] { Cache cache(dir / "four", {.shards = shards}); });
    CHECK(has(text, "with 4 shards"));
    CHECK(has(text, "not with " + std::to_string(shards)));
    CHECK(has(text, "with that number or without"));
  }
  CHECK(snapshot(dir / "four") == before);
  const std::string text = thrown<InvalidArgument>([&] { Cache cache(dir / "one", {.shards = 4}); });
  CHECK(has(text, "with 1 shard, not with 4"));
  CHECK_FALSE(fs::exists(dir / "one" / "shard-01"));
  CHECK(Cache(dir / "one", {.shards = 1}).stats().shards == 1);
}

TEST_CASE("more shards than there may be are refused before anything is made") {
  const TempDir dir;
  CHECK(has(thrown<InvalidArgument>([&] { Cache cache(dir / "cache", {.shards = 65}); }), "at most 64"));
  CHECK_FALSE(fs::exists(dir / "cache"));
  CHECK_THROWS_AS(static_cast<void>(Cache::open("memory:", {.shards = 65})), InvalidArgument);
  CHECK(Cache::open("memory:", {.shards = 64}).stats().shards == 64);
}

TEST_CASE("a cache of one shard has no trace of shards") {
  const TempDir dir;
  {
    Cache plain(dir / "plain");
    Cache one(dir / "one", {.shards = 1});
  }
  CHECK(names_below(dir / "plain") == names_below(dir / "one"));
  const Cache cache(dir / "one");
  CHECK_FALSE(cache.state()->store().record(Space::layout, ""));
}

TEST_CASE_FIXTURE(FourShards, "the directories and files of shards are for their owner alone") {
  fill(cache);
  for (const char* name : {"shard-01", "shard-02", "shard-03"}) {
    struct stat info {};
    REQUIRE(::stat((path() / name).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0700);
    REQUIRE(::stat((path() / name / "cache.db").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
  }
}

TEST_CASE("a shard that is missing, exchanged or another's is NotACache, by name, and nothing is made") {
  const TempDir dir;
  { Cache cache(dir / "cache", {.shards = 4}); }
  { Cache other(dir / "other", {.shards = 4}); }
  const fs::path shard = dir / "cache" / "shard-02";
  const auto refused = [&] {
    std::string text;
    for (const std::uint32_t shards : {0U, 4U})
      text = thrown<NotACache>([&] { Cache cache(dir / "cache", {.shards = shards}); });
    CHECK(has(text, "shard 2 of the cache in"));
    CHECK(has(text, "put the directory back"));
    return text;
  };
  fs::rename(shard, dir / "away");
  CHECK(has(refused(), "is missing"));
  CHECK_FALSE(fs::exists(shard));
  fs::create_directory(shard);
  CHECK(has(refused(), "no cache.db"));
  CHECK(fs::is_empty(shard));
  fs::remove(shard);
  fs::copy(dir / "other" / "shard-02", shard, fs::copy_options::recursive);
  CHECK(has(refused(), "another cache"));
  fs::remove_all(shard);
  fs::copy(dir / "cache" / "shard-03", shard, fs::copy_options::recursive);
  CHECK(has(refused(), "another cache"));
  fs::remove_all(shard);
  fs::rename(dir / "away", shard);
  CHECK(Cache(dir / "cache").stats().shards == 4);
}

TEST_CASE("a symbolic link in place of a shard, and one that others can write, are Unsupported") {
  const TempDir dir;
  { Cache cache(dir / "cache", {.shards = 2}); }
  const fs::path shard = dir / "cache" / "shard-01";
  fs::rename(shard, dir / "away");
  fs::create_symlink(dir / "away", shard);
  CHECK(has(thrown<Unsupported>([&] { Cache cache(dir / "cache"); }), "symbolic link"));
  fs::remove(shard);
  fs::rename(dir / "away", shard);
  fs::permissions(shard, fs::perms::group_write, fs::perm_options::add);
  CHECK(has(thrown<Unsupported>([&] { Cache cache(dir / "cache"); }), "shard-01"));
  CHECK(Cache(dir / "cache", {.allow_shared = true}).stats().shards == 2);
}

TEST_CASE("a shard is not opened as a cache of its own") {
  const TempDir dir;
  { Cache cache(dir / "cache", {.shards = 2}); }
  const std::string text = thrown<NotACache>([&] { Cache cache(dir / "cache" / "shard-01"); });
  CHECK(has(text, "open the directory above"));
}

TEST_CASE("what a killed maker has left of shards is used, what has values is not") {
  const TempDir dir;
  { Cache cache(dir / "cache", {.shards = 4}); }
  for (const char* name : {"cache.db", "cache.db-wal", "cache.db-shm"}) fs::remove(dir / "cache" / name);
  fs::remove_all(dir / "cache" / "shard-03");
  {
    Cache cache(dir / "cache", {.shards = 3});
    CHECK(cache.stats().shards == 3);
    fill(cache);
  }
  for (const char* name : {"cache.db", "cache.db-wal", "cache.db-shm"}) fs::remove(dir / "cache" / name);
  const std::string text = thrown<AlreadyExists>([&] { Cache cache(dir / "cache", {.shards = 3}); });
  CHECK(has(text, "shard-0"));
  CHECK(has(text, "move it away"));
  // Nothing half made: without the option it is a cache of one.
  CHECK(Cache(dir / "cache").stats().shards == 1);
}

TEST_CASE_FIXTURE(FourShards, "a foreign database is left untouched, and no shards are made beside it") {
  fs::create_directory(dir / "foreign");
  write_file(dir / "foreign" / "cache.db", std::string(5000, 'x'));
  CHECK_THROWS_AS(Cache(dir / "foreign", {.shards = 4}), NotACache);
  CHECK(names_below(dir / "foreign") == 1);
}

TEST_CASE_FIXTURE(FourShards, "a damaged list of shards is Corrupt") {
  store().update_record(
      Space::layout, "",
      [](const std::string*, std::uint64_t) -> RecordChange {
        return {.kind = RecordChange::Kind::put, .bytes = "4 only-one"};
      },
      kNoDeadline);
  CHECK(has(thrown<Corrupt>([&] { Cache again(path()); }), "list of shards"));
}

TEST_CASE_FIXTURE(FourShards,
                  "a backup has all values, and a cache that is restored from it as many shards") {
  fill(cache);
  cache.set("large", std::string(200'000, 'l'), {.expire = 1h, .tags = {"a", "b"}});
  cache.backup(dir / "b");
  CHECK_THROWS_AS(cache.backup(dir / "b"), AlreadyExists);
  cache.backup(dir / "b", {.overwrite = true});
  CHECK(names_below(dir.path()) == 2);
  {
    Cache copy = Cache::restore(dir / "b", dir / "copy");
    CHECK(copy.stats().shards == 4);
    CHECK(copy.get("large") == cache.get("large"));
    CHECK(copy.entry("large")->tags == cache.entry("large")->tags);
    copy.erase("large");
    check_filled(copy);
    SyncLock(copy, "l").lock();
  }
  CHECK(Cache(dir / "copy").check().problems.empty());
  const std::string text = thrown<InvalidArgument>(
      [&] { static_cast<void>(Cache::restore(dir / "b", dir / "c2", {.shards = 2})); });
  CHECK(has(text, "4 shards, not with 2"));
  CHECK_THROWS_AS(static_cast<void>(Cache::restore(dir / "b", dir / "copy")), AlreadyExists);
  CHECK(Cache(dir / "copy").size() == 40);
  CHECK_FALSE(fs::exists(dir / "c2"));
}

TEST_CASE_FIXTURE(FourShards, "a damaged backup of shards is Corrupt, wherever it is, and nothing is made") {
  fill(cache);
  cache.backup(dir / "b");
  const std::string good = read_file(dir / "b");
  for (std::size_t at = 30; at < good.size(); at += good.size() / 23) {
    CAPTURE(at);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    write_file(dir / "bad", bad);
    try {
      Cache copy = Cache::restore(dir / "bad", dir / "copy");
      check_filled(copy);  // it was in a byte that nobody needs
    } catch (const Corrupt&) {
      CHECK_FALSE(fs::exists(dir / "copy"));
    } catch (const NotACache&) {
      CHECK_FALSE(fs::exists(dir / "copy"));
    }
    fs::remove_all(dir / "copy");
  }
  write_file(dir / "bad", good.substr(0, good.size() - 1));
  CHECK_THROWS_AS(static_cast<void>(Cache::restore(dir / "bad", dir / "copy")), Corrupt);
  CHECK_FALSE(fs::exists(dir / "copy"));
}
