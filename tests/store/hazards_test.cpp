// SPDX-License-Identifier: Apache-2.0
//
// What people and machines do to a cache that is open: its files go, or are cut, or the process may not open
// or write more of them. Each is an error by name, and never a success that nobody else sees.
#include <sys/resource.h>

#include <csignal>
#include <future>
#include <thread>

#include "dcache/lock.hpp"
#include "support/check.hpp"

namespace fs = std::filesystem;

namespace {

/// Another limit for as long as it lives.
class Limited {
 public:
  Limited(__rlimit_resource_t which, rlim_t limit) : which_(which) {
    ::getrlimit(which_, &old_);
    struct rlimit lower = old_;
    lower.rlim_cur = limit;
    ::setrlimit(which_, &lower);
  }
  Limited(const Limited&) = delete;
  Limited& operator=(const Limited&) = delete;
  ~Limited() { ::setrlimit(which_, &old_); }

 private:
  __rlimit_resource_t which_;
  struct rlimit old_ {};
};

/// Until the store looks again at what it looks at now and then.
void wait_for_a_look() { std::this_thread::sleep_for(150ms); }

}  // namespace

TEST_CASE_FIXTURE(OneCache, "a cache that is removed while it is open says so, in reads, writes and locks") {
  cache.set("k", "v");
  SyncLock lock(cache, "lock");
  SUBCASE("its database") { fs::remove(dir / "cache" / "cache.db"); }
  SUBCASE("its directory") { fs::rename(dir / "cache", dir / "elsewhere"); }
  SUBCASE("its database is replaced by another") {
    Cache(dir / "other").set("k", "other");
    fs::rename(dir / "other" / "cache.db", dir / "cache" / "cache.db");
  }
  CHECK(has(thrown<NotACache>([&] { cache.set("k", "w"); }), "open it again"));
  CHECK_THROWS_AS(cache.erase("k"), NotACache);
  CHECK_THROWS_AS(lock.lock(), NotACache);
  wait_for_a_look();
  CHECK_THROWS_AS(static_cast<void>(cache.get("k")), NotACache);
}

TEST_CASE_FIXTURE(OneCache,
                  "who waits for a lock is told when the cache is removed, however long it would wait") {
  SyncLock holder(cache, "lock");
  holder.lock();
  SyncLock lock(cache, "lock", {.timeout = 1min});
  SUBCASE("any order") {}
  SUBCASE("fair") { lock = SyncLock(cache, "lock", {.timeout = 1min, .fair = true}); }
  auto told = std::async(std::launch::async, [&] { CHECK_THROWS_AS(lock.lock(), NotACache); });
  std::this_thread::sleep_for(20ms);
  fs::remove(dir / "cache" / "cache.db");
  CHECK(told.wait_for(10s) == std::future_status::ready);
  CHECK_THROWS_AS(static_cast<void>(holder.locked()), NotACache);
  CHECK_THROWS_AS(static_cast<void>(locks(cache)), NotACache);
}

TEST_CASE_FIXTURE(OneCache, "a database that is cut short while it is open is Corrupt") {
  cache.set("k", "v");
  fs::resize_file(dir / "cache" / "cache.db", 0);
  CHECK_THROWS_AS(cache.set("k", "w"), Corrupt);
  wait_for_a_look();
  CHECK_THROWS_AS(static_cast<void>(cache.get("k")), Corrupt);
}

TEST_CASE_FIXTURE(OneCache,
                  "a log that is removed while it is open is Corrupt, and the error says whom to stop") {
  for (const char* name : {"cache.db-wal", "cache.db-shm"}) {
    CAPTURE(name);
    const fs::path path = dir / name;
    Cache one(path);
    one.set("k", "v");
    fs::remove(path / name);
    wait_for_a_look();
    CHECK(has(thrown<Corrupt>([&] { one.set("k", "w"); }), "stop all users"));
    wait_for_a_look();
    CHECK(has(thrown<Corrupt>([&] { static_cast<void>(one.get("k")); }), name));
  }
}

TEST_CASE_FIXTURE(OneCache, "value files that are removed are Corrupt by key, and setting the key mends it") {
  const std::string large(100'000, 'x');
  cache.set("k", large);
  fs::remove_all(dir / "cache" / "values");
  CHECK(has(thrown<Corrupt>([&] { static_cast<void>(cache.get("k")); }), "'k'"));
  cache.set("k", large);
  CHECK(cache.get("k") == large);
}

TEST_CASE_FIXTURE(OneCache, "at the limit of file size a write is Full, and what was stored stays") {
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  cache.set("k", "v");
  {
    const Limited limited(RLIMIT_FSIZE, 300'000);
    CHECK(has(thrown<Full>([&] { cache.set("k", std::string(500'000, 'x')); }), "ulimit -f"));
    CHECK(has(thrown<Full>([&] {
                for (int i = 0; i < 1000; ++i) cache.set("k" + std::to_string(i), std::string(3000, 'x'));
              }),
              "ulimit -f"));
    CHECK(cache.get("k") == "v");
  }
  cache.set("k", "w");
  CHECK(cache.get("k") == "w");
  CHECK(cache.check().problems.empty());
  std::signal(SIGXFSZ, old_handler);
}
