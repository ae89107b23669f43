// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <memory>
#include <stdexcept>

#include "dcache/lock.hpp"
#include "support/check.hpp"

TEST_CASE_FIXTURE(OneCache, "a transaction stores all that its body did") {
  cache.set("old", "1");
  cache.transact([](Transaction& transaction) {
    transaction.set("a", "1", {.tags = "t"});
    CHECK(transaction.add("b", "2"));
    CHECK_FALSE(transaction.add("a", "3"));
    CHECK(transaction.incr("n", 5) == 5);
    CHECK(transaction.erase("old"));
    CHECK(transaction.touch("b", 1h));
  });
  CHECK(cache.get("a") == "1");
  CHECK(cache.entry("b").value().expires.has_value());
  CHECK(cache.get("n") == "5");
  CHECK_FALSE(cache.contains("old"));
}

TEST_CASE_FIXTURE(OneCache, "a body may do without the transaction, and returns what it likes") {
  CHECK(cache.transact([&] {
    cache.set("a", "1");
    return cache.incr("n");
  }) == 1);
  CHECK(cache.get("a") == "1");
  CHECK_THROWS_AS(cache.transact([&] {
    cache.set("a", "2");
    throw std::runtime_error("mine");
  }),
                  std::runtime_error);
  CHECK(cache.get("a") == "1");

  std::string kept = "kept";
  static_assert(
      std::is_same_v<decltype(cache.transact([&]() -> std::string& { return kept; })), std::string&>);
  CHECK(&cache.transact([&]() -> std::string& { return kept; }) == &kept);
  CHECK(*cache.transact([] { return std::make_unique<int>(5); }) == 5);
  static_assert(!TransactionBody<void (*)(int)>);
}

TEST_CASE_FIXTURE(OneCache, "a body that throws changes nothing, and what it threw comes out") {
  cache.set("old", "1", {.tags = "t"});
  CHECK_THROWS_WITH_AS(cache.transact([](Transaction& transaction) {
    transaction.set("a", "1");
    transaction.set("old", "2");
    transaction.erase("old");
    throw std::runtime_error("mine");
  }),
                       "mine", std::runtime_error);
  CHECK_FALSE(cache.contains("a"));
  CHECK(cache.get("old") == "1");
  CHECK(cache.evict("t") == 1);
  cache.set("after", "works");
  CHECK(cache.get("after") == "works");
}

TEST_CASE_FIXTURE(OneCache, "a transaction sees its own writes, in every read") {
  cache.set("k", "old", {.tags = "t"});
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "new", {.tags = "u"});
    CHECK(transaction.get("k") == "new");
    CHECK(transaction.entry("k")->tags == std::vector<std::string>{"u"});
    CHECK(transaction.contains("k"));
    // Calls on the Cache itself join.
    CHECK(cache.get("k") == "new");
    cache.set("by the cache", "1");
    CHECK(transaction.get("by the cache") == "1");
    CHECK(cache.size() == 2);
    int seen = 0;
    for (const Entry& entry : cache.entries({.tags = "u"})) seen += entry.value == "new" ? 1 : 0;
    CHECK(seen == 1);
    CHECK(cache.evict("u") == 1);
    CHECK_FALSE(transaction.contains("k"));
  });
  CHECK(cache.size() == 1);
}

TEST_CASE_FIXTURE(OneCache, "nobody else sees a transaction before it ends") {
  Cache other(path());
  cache.set("k", "old");
  const auto seen_by_thread = [&] {
    return std::async(std::launch::async, [&] { return cache.get("k").value_or("nothing"); }).get();
  };
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "new");
    CHECK(seen_by_thread() == "old");
    CHECK(other.get("k") == "old");
    CHECK(transaction.get("k") == "new");
  });
  CHECK(seen_by_thread() == "new");
  CHECK(other.get("k") == "new");
}

TEST_CASE_FIXTURE(OneCache, "the result of the body is the result of the transaction") {
  CHECK(cache.transact([](Transaction& transaction) { return transaction.incr("n", 7); }) == 7);
  const auto unique = cache.transact([](Transaction&) { return std::make_unique<int>(3); });
  CHECK(*unique == 3);
  static_assert(std::is_void_v<decltype(cache.transact([](Transaction&) {}))>);
}

TEST_CASE_FIXTURE(OneCache, "a transaction inside a transaction is part of it") {
  SUBCASE("both are stored when the outer one ends") {
    Cache other(path());
    cache.transact([&](Transaction& transaction) {
      transaction.set("outer", "1");
      cache.transact([](Transaction& inner) { inner.set("inner", "2"); });
      CHECK_FALSE(other.contains("inner"));
    });
    CHECK(other.get("outer") == "1");
    CHECK(other.get("inner") == "2");
  }
  SUBCASE("a throw of the outer one undoes the inner one") {
    CHECK_THROWS_AS(cache.transact([&](Transaction&) {
      cache.transact([](Transaction& inner) { inner.set("inner", "2"); });
      throw std::runtime_error("late");
    }),
                    std::runtime_error);
    CHECK(cache.size() == 0);
  }
  SUBCASE("a throw of the inner one that nobody catches undoes both") {
    CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
      transaction.set("outer", "1");
      cache.transact([](Transaction&) { throw std::runtime_error("inner"); });
    }),
                    std::runtime_error);
    CHECK(cache.size() == 0);
  }
  SUBCASE(
      "a throw of the inner one that the outer one swallows is Misuse at the end, and nothing is stored") {
    CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
      transaction.set("outer", "1");
      try {
        cache.transact([](Transaction& inner) {
          inner.set("inner", "2");
          throw std::runtime_error("swallowed");
        });
      } catch (const std::runtime_error&) {
      }
    }),
                    Misuse);
    CHECK(cache.size() == 0);
  }
  SUBCASE("after a swallowed throw no more is stored") {
    CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
      try {
        cache.transact([](Transaction&) { throw std::runtime_error("swallowed"); });
      } catch (const std::runtime_error&) {
      }
      transaction.set("late", "1");
    }),
                    Misuse);
    CHECK(cache.size() == 0);
  }
  cache.set("after", "works");
  CHECK(cache.get("after") == "works");
}

TEST_CASE_FIXTURE(OneCache, "writers in other threads wait for a transaction, and go on after it") {
  std::atomic<bool> inside{false};
  auto writer = std::async(std::launch::async, [&] {
    while (!inside) std::this_thread::yield();
    cache.set("k", "thread");
  });
  cache.transact([&](Transaction& transaction) {
    inside = true;
    transaction.set("k", "transaction");
    CHECK(writer.wait_for(50ms) == std::future_status::timeout);
  });
  writer.get();
  CHECK(cache.get("k") == "thread");
}

TEST_CASE_FIXTURE(OneCache, "a writer that may not wait long enough for a transaction gets Timeout, soon") {
  Cache other(path(), {.timeout = 100ms});
  Cache hasty(path(), {.timeout = 0s});
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "v");
    for (Cache* writer : {&other, &hasty}) {
      const auto start = std::chrono::steady_clock::now();
      const std::string text = thrown<Timeout>([&] { writer->set("k", "w"); });
      CHECK(has(text, path()));
      CHECK(std::chrono::steady_clock::now() - start < 5s);
    }
    CHECK(other.get("k") == std::nullopt);
  });
  other.set("k", "w");
  hasty.set("k", "x");
  CHECK(cache.get("k") == "x");
}

TEST_CASE("a thread that may not wait long enough for its own process's writers gets Timeout") {
  const TempDir dir;
  Cache cache(dir / "cache", {.timeout = 100ms});
  cache.transact([&](Transaction&) {
    auto writer = std::async(std::launch::async, [&] { cache.set("k", "v"); });
    CHECK_THROWS_AS(writer.get(), Timeout);
  });
  cache.set("k", "v");
  CHECK(cache.get("k") == "v");
}

TEST_CASE_FIXTURE(OneCache, "lock operations inside a transaction are Misuse") {
  SyncLock lock(cache, "lock");
  SyncRLock rlock(cache, "rlock");
  SyncLock held(cache, "held");
  held.lock();
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "v");
    CHECK_THROWS_AS(lock.lock(), Misuse);
    CHECK_THROWS_AS(static_cast<void>(lock.try_lock()), Misuse);
    CHECK_THROWS_AS(static_cast<void>(rlock.try_lock_for(1s)), Misuse);
    CHECK_THROWS_AS(static_cast<void>(held.release()), Misuse);
    CHECK_THROWS_AS(static_cast<void>(held.locked()), Misuse);
    CHECK_THROWS_AS(static_cast<void>(held.owned()), Misuse);
    CHECK_THROWS_AS(static_cast<void>(clear_lock(cache, "held", {.force = true})), Misuse);
    CHECK(has(thrown<Misuse>([&] { lock.lock(); }), "'lock'"));
  });
  CHECK(cache.get("k") == "v");
  CHECK(held.owned());
  CHECK(held.release() == Release::released);
}

TEST_CASE_FIXTURE(OneCache, "a hundred values of one transaction are there together") {
  auto reader = std::async(std::launch::async, [&] {
    for (;;) {
      const std::uint64_t seen = cache.size();
      if (seen != 0) return seen;
    }
  });
  cache.transact([](Transaction& transaction) {
    for (int i = 0; i < 100; ++i) transaction.set("k" + std::to_string(i), std::string(1000, 'v'));
  });
  CHECK(reader.get() == 100);
}

TEST_CASE_FIXTURE(OneCache, "a body may return a reference, a value that only moves, or nothing") {
  int number = 7;
  int& same = cache.transact([&](Transaction&) -> int& { return number; });
  CHECK(&same == &number);
  const auto moved = cache.transact([](Transaction&) { return std::make_unique<int>(8); });
  CHECK(*moved == 8);
  cache.transact([](Transaction&) {});
}
