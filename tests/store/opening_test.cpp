// SPDX-License-Identifier: Apache-2.0
//
// Which files become a cache's database, which do not, and that a refusal leaves them as they were.
#include <sys/stat.h>

#include <filesystem>
#include <memory>

#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/files.hpp"
#include "support/worker.hpp"

namespace fs = std::filesystem;

namespace {

/// A cache, closed, with one value in it and nothing in its log.
void make_cache(const fs::path& path) {
  { Cache(path).set("k", "v"); }
  Database(path / "cache.db").run("PRAGMA wal_checkpoint(TRUNCATE)");
}

fs::path new_directory(const TempDir& dir, const char* name) {
  fs::create_directory(dir / name);
  return dir / name;
}

/// Opening is refused as E, and every byte in the directory stays.
template <class E>
std::string refused(const fs::path& path) {
  const auto before = snapshot(path);
  std::string text;
  for (const Create create : {Create::directory, Create::never, Create::parents}) {
    text = thrown<E>([&] { Cache cache(path, {.timeout = 2s, .create = create}); });
    CHECK(snapshot(path) == before);
  }
  CHECK(has(text, path.native()));
  return text;
}

}  // namespace

TEST_CASE("Create::never opens only what is there, and makes nothing") {
  const TempDir dir;
  CHECK_THROWS_AS(Cache(dir / "absent", {.create = Create::never}), NotACache);
  CHECK_FALSE(fs::exists(dir / "absent"));
  const fs::path empty = new_directory(dir, "empty");
  CHECK_THROWS_AS(Cache(empty, {.create = Create::never}), NotACache);
  CHECK(fs::is_empty(empty));
  write_file(empty / "cache.db", "");
  CHECK_THROWS_AS(Cache(empty, {.create = Create::never}), NotACache);
  CHECK(fs::file_size(empty / "cache.db") == 0);
  make_cache(dir / "there");
  CHECK(Cache(dir / "there", {.create = Create::never}).get("k") == "v");
}

TEST_CASE("an empty cache.db, as a killed maker leaves behind, becomes a cache") {
  const TempDir dir;
  const fs::path path = new_directory(dir, "cache");
  write_file(path / "cache.db", "");
  Cache cache(path);
  cache.set("k", "v");
  CHECK(cache.get("k") == "v");
}

TEST_CASE("an address of another engine is refused by the constructor, which names open") {
  for (const char* address : {"memory:", "redis://localhost", "x://"}) {
    CHECK(has(thrown<InvalidArgument>([&] { Cache cache(address); }), "Cache::open"));
    CHECK_FALSE(fs::exists(address));
  }
  for (const char* address : {"redis://localhost", "x://"}) {
    CHECK_THROWS_AS(static_cast<void>(Cache::open(address)), Unsupported);
  }
  const TempDir dir;
  Cache cache = Cache::open((dir / "cache").native());
  cache.set("k", "v");
  CHECK(Cache(dir / "cache").get("k") == "v");
}

TEST_CASE("a symbolic link in place of cache.db is refused, and what it leads to stays as it is") {
  const TempDir dir;
  make_cache(dir / "other");
  const auto before = snapshot(dir / "other");
  const fs::path path = new_directory(dir, "cache");
  fs::create_symlink(dir / "other" / "cache.db", path / "cache.db");
  CHECK(has(refused<Unsupported>(path), "symbolic link"));
  CHECK(snapshot(dir / "other") == before);
}

TEST_CASE("a dangling link in place of cache.db is refused, and its target is not made") {
  const TempDir dir;
  const fs::path path = new_directory(dir, "cache");
  fs::create_symlink(dir / "target", path / "cache.db");
  refused<Unsupported>(path);
  CHECK_FALSE(fs::exists(dir / "target"));
}

TEST_CASE("links in place of the side files are refused, and what they lead to stays as it is") {
  const TempDir dir;
  for (const char* name : {"cache.db-wal", "cache.db-shm", "life"}) {
    CAPTURE(std::string(name));
    const fs::path path = dir / (std::string("with ") + name);
    make_cache(path);
    write_file(dir / "victim", "precious");
    fs::remove(path / name);
    fs::create_symlink(dir / "victim", path / name);
    CHECK_THROWS_AS(
        [&] {
          Cache cache(path, {.timeout = 1s});
          cache.set("k", "v");
          SyncLock(cache, "l").lock();
        }(),
        Error);
    CHECK(read_file(dir / "victim") == "precious");
  }
}

TEST_CASE("a directory or a pipe in place of cache.db is NotACache") {
  const TempDir dir;
  const fs::path path = new_directory(dir, "cache");
  fs::create_directory(path / "cache.db");
  CHECK(has(refused<NotACache>(path), "regular file"));
  fs::remove(path / "cache.db");
  REQUIRE(::mkfifo((path / "cache.db").c_str(), 0600) == 0);
  refused<NotACache>(path);
}

TEST_CASE("a file that is no database is NotACache, and stays as it is") {
  const TempDir dir;
  const fs::path path = new_directory(dir, "cache");
  for (const std::string& bytes :
       {std::string("x"), std::string("hello, this is a text file\n"), std::string(5000, 'g'),
        std::string("SQLite format 3") + std::string(4081, 'x'), std::string(4096, '\0'),
        std::string(50, '\0')}) {
    CAPTURE(bytes.size());
    write_file(path / "cache.db", bytes);
    refused<NotACache>(path);
  }
}

TEST_CASE("another program's database is NotACache, and nothing in its directory changes") {
  const TempDir dir;
  const fs::path path = new_directory(dir, "cache");
  SUBCASE("with a rollback journal") {
    Database(path / "cache.db").run("CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    refused<NotACache>(path);
  }
  SUBCASE("with an id of its own") {
    Database(path / "cache.db").run("PRAGMA application_id=77; CREATE TABLE entries(x)");
    CHECK(has(refused<NotACache>(path), "another program"));
  }
  SUBCASE("in WAL mode") {
    Database(path / "cache.db").run("PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    refused<NotACache>(path);
  }
  SUBCASE("in WAL mode, with a log that is not in the database yet") {
    Database database(dir / "away.db");
    database.run("PRAGMA journal_mode=WAL; CREATE TABLE t(x)");
    database.run("PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES(1)");
    fs::copy(dir / "away.db", path / "cache.db");
    fs::copy(dir / "away.db-wal", path / "cache.db-wal");
    refused<NotACache>(path);
  }
  SUBCASE("with a journal that its owner must still roll back") {
    Database database(dir / "away.db");
    database.run("CREATE TABLE t(x); INSERT INTO t VALUES(1); PRAGMA cache_size=1; PRAGMA cache_spill=1");
    database.run("BEGIN");
    for (int i = 0; i < 50; ++i) database.run("INSERT INTO t VALUES(randomblob(3000))");
    fs::copy(dir / "away.db", path / "cache.db");
    fs::copy(dir / "away.db-journal", path / "cache.db-journal");
    REQUIRE(fs::file_size(path / "cache.db-journal") > 0);
    refused<NotACache>(path);
  }
}

TEST_CASE("a cache of a newer version is refused, names the upgrade and stays as it is") {
  const TempDir dir;
  make_cache(dir / "cache");
  for (const char* version : {"2", "2147483647"}) {
    {
      Database database(dir / "cache" / "cache.db");
      database.run(std::string("PRAGMA user_version=") + version);
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    const std::string text = refused<NotACache>(dir / "cache");
    CHECK(has(text, version));
    CHECK(has(text, "upgrade"));
  }
}

TEST_CASE("a cache to which somebody has added tables or triggers is refused") {
  const TempDir dir;
  for (const char* sql : {"CREATE TABLE extra(x)", "CREATE INDEX extra ON entries(stored)",
                          "CREATE TRIGGER evil AFTER INSERT ON entries BEGIN DELETE FROM entries; END",
                          "CREATE VIEW v AS SELECT 1", "DROP TABLE tags"}) {
    CAPTURE(std::string(sql));
    const fs::path path = dir / std::to_string(std::hash<std::string_view>{}(sql));
    make_cache(path);
    {
      Database database(path / "cache.db");
      database.run(sql);
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    // It says that it is a cache, so that it takes a connection to see the tables; that makes side files.
    const std::string before = read_file(path / "cache.db");
    CHECK(has(thrown<NotACache>([&] { Cache cache(path); }), "other tables"));
    CHECK(read_file(path / "cache.db") == before);
  }
}

TEST_CASE("a cache that was cut short is an error by name, never a crash or a cache without values") {
  const TempDir dir;
  make_cache(dir / "cache");
  const std::string whole = read_file(dir / "cache" / "cache.db");
  for (const std::size_t left : {std::size_t{1}, std::size_t{99}, std::size_t{100}, std::size_t{1000},
                                 std::size_t{2048}, whole.size() / 2, whole.size() - 1}) {
    CAPTURE(left);
    const fs::path path = dir / std::to_string(left);
    fs::create_directory(path);
    write_file(path / "cache.db", whole.substr(0, left));
    const auto before = snapshot(path);
    try {
      Cache cache(path, {.timeout = 2s});
      CHECK(cache.get("k") == "v");
    } catch (const Corrupt& error) {
      CHECK(has(error.what(), path.native()));
    } catch (const NotACache& error) {
      CHECK(has(error.what(), path.native()));
    }
    CHECK(read_file(path / "cache.db") == before.at("cache.db"));
  }
}

TEST_CASE("opening an existing cache and reading from it changes no byte of database and log") {
  const TempDir dir;
  const fs::path path = dir / "cache";
  { Cache(path).set("k", "v", {.tags = "t"}); }
  const auto before = snapshot(path);
  const auto database_time = fs::last_write_time(path / "cache.db");
  const auto log_time = fs::last_write_time(path / "cache.db-wal");
  {
    const Cache cache(path);
    CHECK(cache.get("k") == "v");
    CHECK(cache.entry("k").has_value());
    CHECK(cache.contains("k"));
    CHECK(cache.size() == 1);
    for (const Entry& entry : cache.entries({.tags = "t"})) CHECK(entry.key == "k");
  }
  auto after = snapshot(path);
  CHECK(after.at("cache.db") == before.at("cache.db"));
  CHECK(after.at("cache.db-wal") == before.at("cache.db-wal"));
  CHECK(fs::last_write_time(path / "cache.db") == database_time);
  CHECK(fs::last_write_time(path / "cache.db-wal") == log_time);
  CHECK(after.size() == before.size());
}

TEST_SUITE("process") {
  TEST_CASE("sixty-four processes that open a new directory at once make one cache") {
    for (int round = 0; round < rounds(2); ++round) {
      const TempDir dir;
      std::vector<std::unique_ptr<Worker>> workers;
      for (int i = 0; i < 64; ++i) {
        workers.push_back(std::make_unique<Worker>(std::vector<std::string>{"shell", dir / "cache"}));
      }
      for (const auto& worker : workers) REQUIRE(worker->line() == "ready");
      const std::string uuid = uuid_of(dir / "cache");
      CHECK(uuid.size() == 32);
      for (std::size_t i = 0; i < workers.size(); ++i) {
        CHECK(workers[i]->ask("set " + std::to_string(i) + " v") == "ok");
      }
      for (const auto& worker : workers) CHECK(worker->wait() == 0);
      CHECK(Cache(dir / "cache").size() == 64);
      CHECK(uuid_of(dir / "cache") == uuid);
      CHECK(integrity(dir / "cache") == "ok");
    }
  }

  TEST_CASE("processes that open and close beside a writer never fail") {
    const TempDir dir;
    Worker writer({"writer", dir / "cache", "7", "w:"});
    static_cast<void>(writer.line());
    for (int i = 0; i < 15; ++i) CHECK(run_worker({"open", dir / "cache", "look"}).back() == "found nothing");
    writer.kill();
    CHECK(integrity(dir / "cache") == "ok");
  }

  TEST_CASE(
      "running out of file descriptors is a clear IoError, and the cache works when there are some again" *
      doctest::skip(kAddressSanitizer)) {
    const TempDir dir;
    { Cache(dir / "cache").set("k", "old"); }
    const std::vector<std::string> lines = run_worker({"--files=64", "exhaust", dir / "cache"});
    REQUIRE(lines.size() >= 4);
    bool opened = false;
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
      CAPTURE(lines[i]);
      const bool now = lines[i].starts_with("opened with ");
      CHECK((now || (lines[i].starts_with("IoError: ") && has(lines[i], "open files"))));
      opened = opened || now;
    }
    CHECK(opened);
    CHECK(lines.back() == "stored v");
  }

  TEST_CASE("a database that somebody has locked as a whole is a Timeout when the time is over") {
    const TempDir dir;
    make_cache(dir / "cache");
    Worker holder({"exclusive", dir / "cache" / "cache.db"});
    REQUIRE(holder.line() == "locked");
    const auto start = std::chrono::steady_clock::now();
    // In a process of its own, so that a wait without end is a failure and not a hang.
    Worker opener({"--timeout=300", "open", dir / "cache", "look"});
    const auto answer = opener.try_line(10s);
    REQUIRE(answer.has_value());
    CHECK(answer->starts_with("Timeout: "));
    CHECK(std::chrono::steady_clock::now() - start < 5s);
    holder.say("done");
    holder.wait();
    CHECK(Cache(dir / "cache").get("k") == "v");
  }
}
