// SPDX-License-Identifier: Apache-2.0
//
// Transactions in a cache of several shards, and what is guarded across them.
#include <atomic>
#include <functional>
#include <future>

#include "shards/sharded.hpp"

namespace {

/// Nobody who waits for the store waits longer.
struct QuickShards {
  TempDir dir;
  Cache cache{dir / "cache", {.timeout = 200ms, .shards = kShards}};
};

}  // namespace

TEST_CASE_FIXTURE(FourShards,
                  "a transaction is of the shard of its first key; one of another undoes it, by name") {
  const std::string one = key_in(cache, 1);
  const std::string two = key_in(cache, 2);
  cache.set(two, "old");
  bool came_back = false;
  const std::string text = thrown<Unsupported>([&] {
    cache.transact([&](Transaction& tx) {
      tx.set(one, "v");
      tx.set(two, "v");
      came_back = true;
    });
  });
  CHECK_FALSE(came_back);
  CHECK(has(text, "'" + one + "'"));
  CHECK(has(text, "'" + two + "'"));
  CHECK(has(text, "part in braces"));
  CHECK_FALSE(cache.contains(one));
  CHECK(cache.get(two) == "old");
  // Reading is no different, and swallowing the error does not save the rest.
  CHECK_THROWS_AS(cache.transact([&](Transaction& tx) {
    tx.set(one, "v");
    CHECK_THROWS_AS(static_cast<void>(tx.get(two)), Unsupported);
  }),
                  Misuse);
  CHECK_FALSE(cache.contains(one));
  cache.set(one, "works");
}

TEST_CASE_FIXTURE(FourShards, "keys with the same part in braces change together, or not at all") {
  cache.transact([&](Transaction& tx) {
    for (int i = 0; i < 20; ++i) tx.set("{42}:" + std::to_string(i), "v");
  });
  CHECK(cache.size() == 20);
  struct Undo {};
  CHECK_THROWS_AS(cache.transact([&](Transaction& tx) {
    for (int i = 0; i < 20; ++i) tx.erase("{42}:" + std::to_string(i));
    const Entries left = cache.entries({.prefix = "{42}:"});
    CHECK(left.begin() == left.end());
    throw Undo();
  }),
                  Undo);
  CHECK(cache.size() == 20);
}

TEST_CASE_FIXTURE(FourShards,
                  "what is about all shards is refused inside a transaction, and changes nothing") {
  cache.set("k", "v", {.tags = "t"});
  const auto refused = [&](const std::function<void()>& call) {
    CHECK(has(thrown<Unsupported>([&] { cache.transact([&](Transaction&) { call(); }); }), "outside of"));
    CHECK(cache.get("k") == "v");
  };
  refused([&] { cache.evict("t"); });
  refused([&] { cache.clear(); });
  refused([&] { cache.expire(); });
  refused([&] { cache.cull(); });
  refused([&] { cache.configure([](Settings& settings) { settings.size_limit = 1; }); });
  refused([&] { static_cast<void>(cache.entries().begin()); });
  CHECK(cache.settings().size_limit == 0);
  // Counting is not.
  cache.transact([&](Transaction&) { CHECK(cache.size() == 1); });
}

TEST_CASE_FIXTURE(FourShards, "an inner transaction that is undone takes one with it that had no key yet") {
  struct Undo {};
  CHECK_THROWS_AS(cache.transact([&](Transaction& tx) {
    CHECK_THROWS_AS(cache.transact([](Transaction&) { throw Undo(); }), Undo);
    CHECK_THROWS_AS(tx.set("late", "v"), Misuse);
  }),
                  Misuse);
  CHECK_THROWS_AS(cache.transact([&](Transaction&) {
    CHECK_THROWS_AS(cache.transact([](Transaction&) { throw Undo(); }), Undo);
  }),
                  Misuse);
  CHECK_FALSE(cache.contains("late"));
  cache.transact([](Transaction&) {});
  CHECK_FALSE(store().in_transaction());
}

TEST_CASE_FIXTURE(QuickShards,
                  "writers in other shards do not wait for a transaction, those in the same do") {
  const std::string mine = key_in(cache, 1);
  cache.transact([&](Transaction& tx) {
    tx.set(mine, "v");
    elsewhere([&] {
      for (const std::size_t shard : {0U, 2U, 3U}) CHECK_NOTHROW(cache.set(key_in(cache, shard), "v"));
      CHECK_THROWS_AS(cache.set(key_in(cache, 1, "other"), "v"), Timeout);
      // Nor do locks.
      SyncLock lock(cache, "l");
      CHECK(lock.try_lock());
    });
  });
}

TEST_CASE_FIXTURE(QuickShards, "a lock cannot change hands while a transaction that it guards is open") {
  for (const bool at_begin : {true, false}) {
    for (const std::size_t shard : {0U, 1U, 3U}) {
      CAPTURE(shard);
      CAPTURE(at_begin);
      SyncLock lock(cache, "l");
      lock.lock();
      const std::string key = key_in(cache, shard);
      const auto body = [&](Transaction& tx) {
        tx.set(key, "v", {.guard = at_begin ? std::nullopt : std::optional<Guard>(lock)});
        CHECK_THROWS_AS(
            elsewhere([&] { return clear_lock(cache, "l", {.fence = lock.fence(), .force = true}); }),
            Timeout);
      };
      cache.transact(body, {.guard = at_begin ? std::optional<Guard>(lock) : std::nullopt});
      CHECK(cache.get(key) == "v");
      CHECK(elsewhere([&] { return clear_lock(cache, "l", {.fence = lock.fence(), .force = true}); }) ==
            Cleared::cleared);
    }
  }
}

TEST_CASE_FIXTURE(QuickShards, "a lock that a transaction has looked at stays as it is until its end") {
  // As when a pull has seen that an item is on no lease.
  for (const std::size_t shard : {0U, 2U}) {
    CAPTURE(shard);
    cache.transact([&](Transaction& tx) {
      tx.set(key_in(cache, shard), "v");
      CHECK_FALSE(cache.state()->store().record(Space::locks, "l"));
      CHECK_FALSE(elsewhere([&] { return SyncLock(cache, "l").try_lock(); }));
    });
    CHECK(elsewhere([&] { return SyncLock(cache, "l").try_lock(); }));
  }
}

TEST_CASE_FIXTURE(QuickShards,
                  "a guard that is lost between begin and the first key is LockLost at that key") {
  const std::string key = key_in(cache, 2);
  SyncLock lock(cache, "l");
  lock.lock();
  CHECK_THROWS_AS(cache.transact(
                      [&](Transaction& tx) {
                        elsewhere([&] { clear_lock(cache, "l", {.fence = lock.fence(), .force = true}); });
                        tx.set(key, "v");
                      },
                      {.guard = lock}),
                  LockLost);
  CHECK_FALSE(cache.contains(key));
}

TEST_CASE_FIXTURE(FourShards, "a source of bytes runs outside of all transactions, also with a guard") {
  SyncLock lock(cache, "l");
  lock.lock();
  for (std::size_t shard = 0; shard < kShards; ++shard) {
    const std::string key = key_in(cache, shard);
    std::size_t left = 100'000;
    cache.set_from(key,
                   [&](std::span<std::byte> room) {
                     CHECK_FALSE(store().in_transaction());
                     const std::size_t n = std::min(left, room.size());
                     std::fill_n(room.begin(), n, std::byte{'x'});
                     left -= n;
                     return n;
                   },
                   {.guard = lock});
    CHECK(cache.get(key) == std::string(100'000, 'x'));
  }
}

TEST_CASE_FIXTURE(
    FourShards,
    "guarded writes in all shards, plain ones and locks at once wait for each other in no circle") {
  std::atomic<bool> stop{false};
  std::vector<std::future<int>> threads;
  for (int thread = 0; thread < 6; ++thread) {
    threads.push_back(std::async(std::launch::async, [&, thread] {
      int done = 0;
      SyncLock lock(cache, "l" + std::to_string(thread));
      for (; !stop; ++done) {
        lock.lock();
        for (std::size_t shard = 0; shard < kShards; ++shard) {
          const std::string key = key_in(cache, shard, "t" + std::to_string(thread) + ":");
          cache.set(key, "v", {.guard = lock});
          cache.transact([&](Transaction& tx) { tx.incr(key + "{x}"); }, {.guard = lock});
        }
        lock.unlock();
      }
      return done;
    }));
  }
  std::this_thread::sleep_for(300ms);
  stop = true;
  for (auto& thread : threads) {
    REQUIRE(thread.wait_for(20s) == std::future_status::ready);
    CHECK(thread.get() > 0);
  }
}

TEST_CASE_FIXTURE(FourShards, "two caches in one thread may each have a transaction") {
  Cache other(dir / "other", {.shards = 2});
  cache.transact([&](Transaction& outer) {
    outer.set("a", "1");
    other.transact([&](Transaction& inner) {
      inner.set("b", "2");
      outer.set("a", "3");
    });
    CHECK(elsewhere([&] { return other.get("b"); }) == "2");
    CHECK_FALSE(elsewhere([&] { return cache.contains("a"); }));
  });
  CHECK(cache.get("a") == "3");
}
