// SPDX-License-Identifier: Apache-2.0
#include <future>

#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"

namespace {

void store_many(Cache& cache, int count, const std::string& prefix, const SetOptions& options) {
  cache.transact([&](Transaction& transaction) {
    for (int i = 0; i < count; ++i) transaction.set(prefix + std::to_string(i), "v", options);
  });
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "evict removes what has any of the tags") {
  cache.set("a", "v", {.tags = {"x"}});
  cache.set("b", "v", {.tags = {"x", "y"}});
  cache.set("c", "v", {.tags = {"z"}});
  cache.set("d", "v");
  CHECK(cache.evict({"x", "y"}) == 2);
  CHECK_FALSE(cache.contains("a"));
  CHECK_FALSE(cache.contains("b"));
  CHECK(cache.contains("c"));
  CHECK(cache.contains("d"));
  CHECK(cache.evict({"x", "y"}) == 0);
}

TEST_CASE_FIXTURE(OneCache, "evict with Match::all removes what has all of the tags") {
  cache.set("a", "v", {.tags = {"x"}});
  cache.set("b", "v", {.tags = {"x", "y"}});
  cache.set("c", "v", {.tags = {"y", "z", "x"}});
  cache.set("d", "v", {.tags = {"y"}});
  CHECK(cache.evict({"y", "x", "y"}, Match::all) == 2);
  CHECK(cache.contains("a"));
  CHECK(cache.contains("d"));
  CHECK(cache.evict({"x", "absent"}, Match::all) == 0);
  CHECK(cache.size() == 2);
}

TEST_CASE_FIXTURE(OneCache, "evict without tags is InvalidArgument and removes nothing") {
  cache.set("a", "v", {.tags = "x"});
  CHECK(has(thrown<InvalidArgument>([&] { cache.evict({}); }), "clear"));
  CHECK_THROWS_AS(cache.evict(Tags(), Match::all), InvalidArgument);
  CHECK(cache.size() == 1);
}

TEST_CASE_FIXTURE(OneCache, "evict removes hundreds with the same tags, in many steps") {
  for (const int count : {199, 200, 201, 400, 650}) {
    CAPTURE(count);
    store_many(cache, count, "k", {.tags = {"a", "b"}});
    store_many(cache, 10, "stays", {.tags = "a"});
    CHECK(cache.evict({"a", "b"}, Match::all) == static_cast<std::uint64_t>(count));
    CHECK(cache.size() == 10);
    store_many(cache, count, "k", {.tags = {"a", "b"}});
    CHECK(cache.evict({"a", "b"}) == static_cast<std::uint64_t>(count) + 10);
    CHECK(cache.size() == 0);
    CHECK(cache.stats().tags == 0);
  }
}

TEST_CASE_FIXTURE(OneCache, "an entry evicted twice over, by two of its tags, counts once") {
  store_many(cache, 250, "both", {.tags = {"a", "b"}});
  store_many(cache, 250, "one", {.tags = "b"});
  CHECK(cache.evict({"a", "b"}, Match::any) == 500);
}

TEST_CASE_FIXTURE(OneCache, "what is stored while evict or clear runs stays") {
  Cache second(path());
  for (Cache* other : {&cache, &second}) {
    for (const bool clear : {false, true}) {
      store_many(cache, 6000, "old", {.tags = "t"});
      std::atomic<bool> stop{false};
      std::atomic<int> stored{0};
      int first_during = -1;
      auto writer = std::async(std::launch::async, [&] {
        for (; !stop; ++stored) {
          // The oldest goes first: from then on the removal is known to have begun.
          if (first_during < 0 && !other->contains("old0")) first_during = stored;
          other->set("new" + std::to_string(stored), "v", {.tags = "t"});
        }
      });
      while (stored < 3) std::this_thread::yield();
      const std::uint64_t removed = clear ? cache.clear() : cache.evict("t");
      const int at_end = stored;
      CHECK(eventually([&] { return stored > at_end + 1; }));
      stop = true;
      writer.get();
      CHECK(removed >= 6000);
      CHECK(cache.size() + removed == 6000U + static_cast<std::uint64_t>(stored));
      REQUIRE(first_during >= 0);
      int missing = 0;
      for (int i = first_during; i < stored; ++i)
        missing += cache.contains("new" + std::to_string(i)) ? 0 : 1;
      CHECK(missing == 0);
      // In small steps: others get their turn between them.
      CHECK(at_end > first_during);
      for (const Entry& entry : cache.entries({.prefix = "old"})) FAIL_CHECK(entry.key);
      cache.clear();
    }
  }
}

TEST_CASE_FIXTURE(OneCache, "an old key that is stored again while evict or clear runs stays") {
  Cache other(path());
  for (const bool clear : {false, true}) {
    CAPTURE(clear);
    // Only an attempt in which the writer got its turn while the last step was still to come shows anything.
    bool in_time = false;
    for (int attempt = 0; attempt < 20 && !in_time; ++attempt) {
      store_many(cache, 6000, "k", {.tags = "t"});
      std::atomic<bool> stop{false};
      auto writer = std::async(std::launch::async, [&] {
        // Once the oldest is gone the removal has begun; the newest comes last.
        while (!stop && cache.contains("k0")) std::this_thread::yield();
        other.set("k5999", "again", {.tags = "t"});
        in_time = other.contains("k5998");
      });
      const std::uint64_t removed = clear ? cache.clear() : cache.evict("t");
      stop = true;
      writer.get();
      CHECK(cache.get("k5999") == "again");
      CHECK(cache.size() == 1);
      CHECK(removed >= 5999);
      cache.clear();
    }
    CHECK(in_time);
  }
}

namespace {

/// Values whose time is over soon: what is over already would be swept while the others are stored.
void store_expiring(Cache& cache, int count) {
  const Timestamp soon = std::chrono::system_clock::now() + 300ms;
  cache.transact([&](Transaction& tx) {
    for (int i = 0; i < count; ++i) tx.set("dead" + std::to_string(i), "v", {.expire_at = soon, .tags = "t"});
  });
  std::this_thread::sleep_for(400ms);
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "expire removes hundreds of values whose time is over at the same moment") {
  for (const int count : {199, 200, 350, 400}) {
    CAPTURE(count);
    store_expiring(cache, count);
    cache.set("live", "v", {.expire = 1h, .tags = "t"});
    cache.set("for ever", "v");
    // The two writes above may have removed some already, a few at a time.
    const std::uint64_t expired = cache.stats().expired;
    CHECK(expired + 100 >= static_cast<std::uint64_t>(count));
    CHECK(cache.expire() == expired);
    CHECK(cache.stats().expired == 0);
    CHECK(cache.size() == 2);
    CHECK(cache.expire() == 0);
  }
  CHECK(cache.evict("t") == 1);
}

TEST_CASE_FIXTURE(OneCache, "clear removes all values, expired ones too, and leaves locks alone") {
  SyncLock lock(cache, "k");
  lock.lock();
  store_many(cache, 450, "k", {.tags = {"a", "b"}});
  cache.set("expired", "v", {.expire = 0s});
  cache.set("k", "a value of the lock's name");
  CHECK(cache.clear() == 452);
  CHECK(cache.size() == 0);
  CHECK(cache.stats().tags == 0);
  CHECK(cache.stats().expired == 0);
  CHECK(cache.clear() == 0);
  CHECK(lock.owned());
  CHECK(cache.stats().locks == 1);
  CHECK(lock.release() == Release::released);
}

TEST_CASE_FIXTURE(OneCache, "locks are never seen, evicted or expired with values") {
  SyncLock lock(cache, "name", {.tags = "t"});
  lock.lock();
  CHECK_FALSE(cache.contains("name"));
  CHECK(cache.size() == 0);
  CHECK(cache.evict("t") == 0);
  CHECK(cache.expire() == 0);
  for (const Entry& entry : cache.entries()) FAIL_CHECK(entry.key);
  CHECK(cache.add("name", "a value"));
  CHECK(lock.owned());
}

TEST_CASE_FIXTURE(OneCache, "size and stats count exactly") {
  Cache other(path());
  cache.set("a", "12345", {.tags = {"x", "y"}});
  other.set("b", "123", {.tags = "x"});
  cache.set("c", "1", {.expire = 0s, .tags = "z"});
  SyncLock lock(cache, "lock");
  lock.lock();
  CHECK(cache.size() == 2);
  static_cast<void>(cache.get("a"));
  static_cast<void>(cache.get("a"));
  static_cast<void>(cache.get("c"));
  static_cast<void>(cache.get("absent"));
  const Stats stats = cache.stats();
  CHECK(stats.entries == 2);
  CHECK(stats.expired == 1);
  CHECK(stats.value_bytes == 9);
  CHECK(stats.tags == 3);
  CHECK(stats.locks == 1);
  CHECK(stats.hits == 2);
  CHECK(stats.misses == 2);
  CHECK(stats.database_bytes > 0);
  CHECK(stats.free_bytes < stats.database_bytes);
  CHECK(stats.oldest == cache.entry("a")->stored);
  CHECK(stats.newest == cache.entry("b")->stored);  // not that of "c", whose time is over
  CHECK(has(stats.engine, "SQLite 3."));
  cache.clear();
  CHECK_FALSE(cache.stats().oldest);
  CHECK_FALSE(cache.stats().newest);
}

TEST_CASE_FIXTURE(OneCache,
                  "values stored before the clock was set back are evicted and cleared as all others") {
  store_many(cache, 20, "k", {.tags = "t"});
  store_many(cache, 20, "other", {});
  // As if they had been stored by a clock that was an hour ahead.
  Database(dir / "cache" / "cache.db").run("UPDATE entries SET stored = stored + 3600000000000");
  CHECK(cache.evict("t") == 20);
  CHECK(cache.clear() == 20);
}
