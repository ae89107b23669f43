// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <future>
#include <stdexcept>

#include "conformance/engines.hpp"

namespace {

/// What another thread gets from `f`.
/// Thrown by bodies that want to be undone.
struct Undo : std::runtime_error {
  Undo() : std::runtime_error("undo") {}
};

}  // namespace

ENGINE_TEST("a transaction stores all that its body did, and returns what that returns") {
  cache.set("{t}old", "1");
  CHECK(cache.transact([](Transaction& transaction) {
    transaction.set("{t}a", "1", {.tags = "t"});
    CHECK(transaction.add("{t}b", "2"));
    CHECK_FALSE(transaction.add("{t}a", "3"));
    CHECK(transaction.replace("{t}b", "2", "3"));
    CHECK(transaction.pop("{t}old") == "1");
    CHECK(transaction.touch("{t}b", 1h));
    return transaction.incr("{t}n", 5);
  }) == 5);
  CHECK(cache.get("{t}a") == "1");
  CHECK(cache.entry("{t}b").value().expires.has_value());
  CHECK(cache.get("{t}b") == "3");
  check_keys(cache, {"{t}a", "{t}b", "{t}n"});
}

STORE_TEST("a body that throws changes nothing, whatever it had done") {
  const auto fill = [&] {
    cache.set("a", "1", {.expire = 1h, .tags = {"t", "u"}});
    cache.set("b", "2", {.tags = "t"});
    cache.set("n", "3");
    cache.set("large", std::string(100'000, 'l'));
    cache.set("dead", "4", {.expire = 0s});
    cache.configure([](Settings& settings) { settings.size_limit = 1U << 30; });
  };
  fill();
  const auto all = [&] {
    std::string text;
    for (const Entry& entry : cache.entries()) {
      text += entry.key + "=" + entry.value + std::to_string(entry.stored.unix_nanoseconds()) + ",";
      text += entry.expires ? std::to_string(entry.expires->unix_nanoseconds()) : "never";
      for (const std::string& tag : entry.tags) text += "#" + tag;
    }
    const Stats stats = cache.stats();
    return text + std::to_string(stats.tags) + " " + std::to_string(stats.expired) + " " +
           std::to_string(stats.value_bytes) + " " + std::to_string(cache.size()) + " " +
           std::to_string(cache.settings().size_limit);
  };
  const std::string before = all();
  const std::vector<std::function<void(Transaction&)>> bodies = {
      [](Transaction& tx) { tx.set("a", "new", {.tags = "v"}); },
      [](Transaction& tx) { tx.set("new", std::string(100'000, 'n'), {.expire = 1h, .tags = "t"}); },
      [](Transaction& tx) { tx.set("large", "small"); },
      [](Transaction& tx) { static_cast<void>(tx.add("dead", "5")); },
      [](Transaction& tx) { tx.erase("a"), tx.set("a", "again"); },
      [](Transaction& tx) { tx.erase("dead"); },
      [](Transaction& tx) { static_cast<void>(tx.pop("large")); },
      [](Transaction& tx) { static_cast<void>(tx.replace("b", "2", "3")); },
      [](Transaction& tx) { tx.touch("a", forever), tx.touch("b", 0s); },
      [](Transaction& tx) { tx.incr("n"), tx.incr("m"); },
      [&](Transaction&) { cache.evict("t"); },
      [&](Transaction&) { cache.expire(); },
      [&](Transaction&) { cache.clear(); },
      [&](Transaction&) { cache.clear(), fill(); },
      [&](Transaction&) { cache.configure([](Settings& settings) { settings.size_limit = 7; }); },
      [&](Transaction&) {
        cache.set_many({{"x", "1"}, {"y", "2"}});
      },
      [&](Transaction&) { cache.set_from("z", [](std::span<std::byte>) { return std::size_t{0}; }); },
  };
  const auto tries = [&](const std::function<void(Transaction&)>& body) {
    CHECK_THROWS_AS(cache.transact([&](Transaction& tx) {
      body(tx);
      CHECK(elsewhere([&] { return all() == before; }));
      throw Undo();
    }),
                    Undo);
    CHECK(all() == before);
  };
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    CAPTURE(i);
    tries(bodies[i]);
  }
  tries([&](Transaction& tx) {
    for (const auto& body : bodies) {
      if (&body != &bodies[14]) body(tx);  // a limit of 7 bytes would refuse what follows
    }
  });
  cache.set("after", "works");
  CHECK(cache.get("after") == "works");
}

STORE_TEST("settings that were undone are not in force") {
  CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
    cache.configure([](Settings& settings) { settings = {.size_limit = 1, .policy = Policy::none}; });
    CHECK(cache.settings().size_limit == 1);
    CHECK(elsewhere([&] { return cache.settings().size_limit; }) == 0);
    CHECK_THROWS_AS(transaction.set("k", "v"), Full);
    throw Undo();
  }),
                  Undo);
  CHECK(cache.settings().size_limit == 0);
  cache.set("k", "v");
  CHECK(cache.contains("k"));
}

STORE_TEST("a transaction sees its own writes, in every read, and nobody else does") {
  cache.set("k", "old", {.tags = "t"});
  cache.set("gone", "old");
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "new", {.expire = 1h, .tags = "u"});
    transaction.set("more", "new", {.tags = "u"});
    CHECK(transaction.erase("gone"));
    CHECK(transaction.get("k") == "new");
    CHECK(transaction.entry("k").value().tags == Keys{"u"});
    CHECK(transaction.contains("more"));
    CHECK_FALSE(transaction.contains("gone"));
    CHECK(cache.get("k") == "new");
    CHECK(cache.get_many({"k", "gone"})[0] == "new");
    std::string got;
    cache.get_to("k", [&](std::span<const std::byte> part) {
      got.append(reinterpret_cast<const char*>(part.data()), part.size());
    });
    CHECK(got == "new");
    check_keys(cache, {"k", "more"});
    CHECK(cache.stats().tags == 1);
    elsewhere([&] {
      CHECK(cache.get("k") == "old");
      CHECK(cache.entry("k").value().tags == Keys{"t"});
      CHECK_FALSE(cache.entry("k").value().expires);
      CHECK(cache.contains("gone"));
      CHECK_FALSE(cache.contains("more"));
      check_keys(cache, {"k", "gone"});
      CHECK(cache.stats().entries == 2);
    });
    CHECK(cache.evict("t") == 0);
    CHECK(cache.evict("u") == 2);
    check_keys(cache, {});
  });
  check_keys(cache, {});
}

ENGINE_TEST("readers never wait for a transaction") {
  cache.set("k", "v", {.tags = "t"});
  Subject quick = another({.timeout = 0s});
  quick.cache.set("k", "v");
  quick.cache.transact([&](Transaction& transaction) {
    transaction.set("k", "new");
    elsewhere([&] {
      CHECK(quick.cache.get("k") == "v");
      CHECK(quick.cache.contains("k"));
      CHECK(quick.cache.entry("k").value().value == "v");
      CHECK(keys(quick.cache) == Keys{"k"});
      CHECK(quick.cache.size() == 1);
      CHECK(quick.cache.bytes() > 0);
      CHECK(quick.cache.stats().entries == 1);
      CHECK(quick.cache.settings().size_limit == 0);
      CHECK_FALSE(quick.store().record(Space::locks, "k"));
      CHECK(quick.store().records(Space::locks, {}, 10).empty());
    });
  });
}

STORE_TEST(
    "other writers wait for a transaction until their deadline, then Timeout, and nothing is changed") {
  Subject quick = another({.timeout = 50ms});
  quick.cache.set("k", "v", {.tags = "t"});
  quick.cache.transact([&](Transaction& transaction) {
    transaction.set("k", "mine");
    elsewhere([&] {
      const auto start = std::chrono::steady_clock::now();
      CHECK_THROWS_AS(quick.cache.set("k", "yours"), Timeout);
      CHECK(std::chrono::steady_clock::now() - start >= 50ms);
      CHECK(std::chrono::steady_clock::now() - start < 5s);
      CHECK_THROWS_AS(static_cast<void>(quick.cache.add("other", "v")), Timeout);
      CHECK_THROWS_AS(quick.cache.erase("k"), Timeout);
      CHECK_THROWS_AS(static_cast<void>(quick.cache.pop("k")), Timeout);
      CHECK_THROWS_AS(quick.cache.touch("k", 1h), Timeout);
      CHECK_THROWS_AS(quick.cache.evict("t"), Timeout);
      CHECK_THROWS_AS(quick.cache.clear(), Timeout);
      CHECK_THROWS_AS(quick.cache.transact([](Transaction&) { FAIL_CHECK("the body ran"); }), Timeout);
    });
  });
  CHECK(quick.cache.get("k") == "mine");
  CHECK(quick.cache.size() == 1);
  elsewhere([&] { quick.cache.set("k", "yours"); });
  CHECK(quick.cache.get("k") == "yours");
}

ENGINE_TEST("other writers go on when the transaction has ended") {
  Subject patient = another({.timeout = 20s});
  for (int round = 0; round < 30; ++round) {
    std::atomic<bool> inside{false};
    std::vector<std::future<void>> writers;
    for (int i = 0; i < 4; ++i) {
      writers.push_back(std::async(std::launch::async, [&, i] {
        while (!inside) std::this_thread::yield();
        if (i % 2 == 1) {
          patient.cache.transact([&](Transaction& transaction) { transaction.set(std::to_string(i), "v"); });
        } else {
          patient.cache.set(std::to_string(i), "v");
        }
      }));
    }
    patient.cache.transact([&](Transaction& transaction) {
      inside = true;
      transaction.set("mine", "v");
      const bool one = patient.store().shards() == 1;
      if (round == 0 && one) CHECK(writers[0].wait_for(30ms) == std::future_status::timeout);
      std::this_thread::sleep_for(1ms);
      CHECK(cache.size() == 0);
    });
    for (std::future<void>& writer : writers) writer.get();
    check_keys(patient.cache, {"mine", "0", "1", "2", "3"});
    patient.cache.clear();
  }
}

ENGINE_TEST("a thread with one transaction after another keeps nobody out") {
  std::atomic<bool> stop{false};
  auto busy = std::async(std::launch::async, [&] {
    while (!stop) {
      cache.transact([](Transaction& transaction) {
        transaction.incr("n");
        std::this_thread::sleep_for(1ms);
      });
    }
  });
  for (int i = 0; i < 10; ++i) {
    const auto start = std::chrono::steady_clock::now();
    i % 2 == 0 ? cache.set("k", "v")
               : cache.transact([](Transaction& transaction) { transaction.set("k", "v"); });
    CHECK(std::chrono::steady_clock::now() - start < 2s);
  }
  stop = true;
  busy.get();
}

ENGINE_TEST("a transaction inside a transaction is part of it") {
  SUBCASE("all is stored when the outer one ends") {
    cache.transact([&](Transaction& transaction) {
      transaction.set("{t}outer", "1");
      cache.transact([](Transaction& inner) { inner.set("{t}inner", "2"); });
      CHECK_FALSE(elsewhere([&] { return cache.contains("{t}inner"); }));
    });
    check_keys(cache, {"{t}outer", "{t}inner"});
  }
  SUBCASE("a throw of the outer one undoes the inner one") {
    CHECK_THROWS_AS(cache.transact([&](Transaction&) {
      cache.transact([](Transaction& inner) { inner.set("{t}inner", "2"); });
      throw Undo();
    }),
                    Undo);
    check_keys(cache, {});
  }
  SUBCASE("a throw of the inner one that is swallowed is Misuse at the end, and nothing is stored") {
    CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
      transaction.set("{t}outer", "1");
      CHECK_THROWS_AS(cache.transact([](Transaction&) { throw Undo(); }), Undo);
      CHECK_THROWS_AS(transaction.set("{t}late", "1"), Misuse);
    }),
                    Misuse);
    check_keys(cache, {});
  }
  cache.set("after", "works");
  CHECK(cache.get("after") == "works");
}

ENGINE_TEST("a failure that changed nothing may be swallowed, one that is Full may not") {
  cache.transact([&](Transaction& transaction) {
    transaction.set("{k}text", "v");
    CHECK_THROWS_AS(transaction.incr("{k}text"), WrongType);
    CHECK_THROWS_AS(transaction.set("{k}", "v", {.tags = ""}), InvalidArgument);
  });
  CHECK(cache.contains("{k}text"));
  cache.configure([](Settings& settings) { settings = {.size_limit = 1, .policy = Policy::none}; });
  CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
    transaction.erase("{k}text");
    CHECK_THROWS_AS(transaction.set("{k}", "v"), Full);
  }),
                  Misuse);
  CHECK(cache.contains("{k}text"));
}

ENGINE_TEST("begin, commit and rollback count their levels") {
  Store& store = this->store();
  CHECK_FALSE(store.in_transaction());
  CHECK_THROWS_AS(store.commit(), Misuse);
  store.rollback();
  store.begin();
  store.begin();
  CHECK(store.in_transaction());
  CHECK_FALSE(elsewhere([&] { return store.in_transaction(); }));
  cache.set("k", "v");
  store.commit();
  CHECK(store.in_transaction());
  CHECK_FALSE(elsewhere([&] { return cache.contains("k"); }));
  store.commit();
  CHECK_FALSE(store.in_transaction());
  CHECK(elsewhere([&] { return cache.contains("k"); }));

  store.begin();
  store.begin();
  cache.erase("k");
  store.rollback();
  CHECK(store.in_transaction());
  CHECK_THROWS_AS(store.commit(), Misuse);
  CHECK_FALSE(store.in_transaction());
  CHECK(cache.contains("k"));
  store.begin();
  store.commit();
}

ENGINE_TEST("two transactions at once are as one after the other") {
  constexpr int kAccounts = 5;
  constexpr int kTransfers = 100;
  for (int i = 0; i < kAccounts; ++i) cache.set("{bank}" + std::to_string(i), "100");
  const auto total = [&] {
    return cache.transact([&](Transaction& transaction) {
      std::int64_t sum = 0;
      for (int i = 0; i < kAccounts; ++i)
        sum += std::stoll(transaction.get("{bank}" + std::to_string(i)).value());
      return sum;
    });
  };
  std::vector<std::future<void>> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.push_back(std::async(std::launch::async, [&, thread] {
      for (int i = 0; i < kTransfers; ++i) {
        try {
          cache.transact([&](Transaction& transaction) {
            const std::string from = "{bank}" + std::to_string((i + thread) % kAccounts);
            const std::string to = "{bank}" + std::to_string((i * 7 + thread + 1) % kAccounts);
            transaction.incr(from, -1);
            if (i % 10 == 9) throw Undo();
            transaction.incr(to, 1);
          });
        } catch (const Undo&) {
        }
      }
    }));
  }
  for (int i = 0; i < 30; ++i) CHECK(total() == kAccounts * 100);
  for (std::future<void>& thread : threads) thread.get();
  CHECK(total() == kAccounts * 100);
}
