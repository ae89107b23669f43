// SPDX-License-Identifier: Apache-2.0
#include <future>

#include "cache/state.hpp"
#include "dcache/store.hpp"
#include "support/check.hpp"

namespace {

struct Records : OneCache {
  Store& store = cache.state()->store();

  bool add(const std::string& key, const std::string& bytes) {
    return store.add_record(
        Space::locks, key, [&](std::uint64_t) { return bytes; }, kNoDeadline);
  }
  void change(const std::string& key, FunctionRef<RecordChange(const std::string*, std::uint64_t)> f) {
    store.update_record(Space::locks, key, f, kNoDeadline);
  }
};

Change put(std::string_view bytes) {
  return {.kind = Change::Kind::put, .value = {.bytes = bytes, .format = Format::text}};
}

}  // namespace

TEST_CASE_FIXTURE(Records, "a record is added once, and removed only by who knows its bytes") {
  CHECK(store.record(Space::locks, "k") == std::nullopt);
  CHECK(add("k", "one"));
  CHECK_FALSE(add("k", "two"));
  CHECK(store.record(Space::locks, "k") == "one");
  CHECK_FALSE(store.erase_record(Space::locks, "k", "two", kNoDeadline));
  CHECK_FALSE(store.erase_record(Space::locks, "other", "one", kNoDeadline));
  CHECK(store.erase_record(Space::locks, "k", "one", kNoDeadline));
  CHECK(store.record(Space::locks, "k") == std::nullopt);
}

TEST_CASE_FIXTURE(Records, "update_record puts, keeps and erases, and tells what was there") {
  change("k", [](const std::string* old, std::uint64_t fence) -> RecordChange {
    CHECK(old == nullptr);
    CHECK(fence > 0);
    return {.kind = RecordChange::Kind::put, .bytes = "one"};
  });
  change("k", [](const std::string* old, std::uint64_t) -> RecordChange {
    REQUIRE(old != nullptr);
    CHECK(*old == "one");
    return {};
  });
  CHECK(store.record(Space::locks, "k") == "one");
  change("k", [](const std::string*, std::uint64_t) -> RecordChange {
    return {.kind = RecordChange::Kind::erase};
  });
  CHECK(store.record(Space::locks, "k") == std::nullopt);
}

TEST_CASE_FIXTURE(Records,
                  "a fence that was not used is offered again or grows; one that was used never comes back") {
  std::uint64_t used = 0;
  change("k", [&](const std::string*, std::uint64_t fence) -> RecordChange {
    used = fence;
    return {.kind = RecordChange::Kind::put, .bytes = "x", .fence_used = true};
  });
  for (int i = 0; i < 100; ++i) {
    change("k", [&](const std::string*, std::uint64_t fence) -> RecordChange {
      CHECK(fence > used);
      return {};
    });
  }
}

TEST_CASE_FIXTURE(Records, "update_record is one atomic step for eight threads of two caches") {
  Cache second(path());
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      Store& mine = i % 2 == 0 ? store : second.state()->store();
      for (int k = 0; k < 100; ++k) {
        mine.update_record(
            Space::locks, "count",
            [](const std::string* old, std::uint64_t) -> RecordChange {
              return {.kind = RecordChange::Kind::put,
                      .bytes = std::to_string(old == nullptr ? 1 : std::stoi(*old) + 1)};
            },
            kNoDeadline);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(store.record(Space::locks, "count") == "800");
}

TEST_CASE_FIXTURE(Records, "a function that throws changes nothing, and the store works on") {
  add("k", "one");
  CHECK_THROWS_WITH_AS(
      change("k",
             [](const std::string*, std::uint64_t) -> RecordChange { throw std::runtime_error("mine"); }),
      "mine", std::runtime_error);
  CHECK_THROWS_AS(store.update("v", [](const Entry*) -> Change { throw std::runtime_error("mine"); }),
                  std::runtime_error);
  CHECK(store.record(Space::locks, "k") == "one");
  cache.set("v", "works");
  CHECK(add("another", "two"));
}

TEST_CASE_FIXTURE(Records, "records are listed in order of key, in pages that fit together") {
  const std::vector<std::string> keys{std::string(),
                                      std::string("\0", 1),
                                      std::string("\0a", 2),
                                      "a",
                                      std::string("a\0", 2),
                                      "ab",
                                      "b",
                                      "\xFF",
                                      "\xFF\xFF"};
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) CHECK(add(*key, "of " + *key));
  for (const std::size_t limit : {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{100}}) {
    std::vector<std::string> found;
    std::optional<std::string> after;
    for (std::vector<Record> page; page = store.records(Space::locks, after, limit), !page.empty();) {
      CHECK(page.size() <= limit);
      for (const Record& record : page) {
        CHECK(record.bytes == "of " + record.key);
        found.push_back(record.key);
      }
      after = page.back().key;
    }
    CHECK(found == keys);
  }
}

TEST_CASE_FIXTURE(Records, "waiting for other writers ends at the deadline of the call") {
  const auto soon = [] { return std::chrono::steady_clock::now() + 100ms; };
  Cache second(path());
  Store& other = second.state()->store();
  second.transact([&](Transaction& transaction) {
    transaction.set("k", "v");
    const auto start = std::chrono::steady_clock::now();
    CHECK_THROWS_AS(static_cast<void>(store.add_record(
                        Space::locks, "k", [](std::uint64_t) { return std::string(); }, soon())),
                    Timeout);
    CHECK_THROWS_AS(static_cast<void>(store.erase_record(Space::locks, "k", "", soon())), Timeout);
    CHECK(std::chrono::steady_clock::now() - start < 5s);
  });
  // Writers of the same process queue before the database's own lock.
  second.transact([&](Transaction&) {
    auto thread = std::async(std::launch::async, [&] {
      CHECK_THROWS_AS(static_cast<void>(other.erase_record(Space::locks, "k", "", soon())), Timeout);
    });
    thread.get();
  });
  CHECK(add("k", "fine"));
}

TEST_CASE_FIXTURE(Records, "update keeps, puts, gives a new expiry to and erases a live entry, in one step") {
  store.update("k", [](const Entry* old) -> Change {
    CHECK(old == nullptr);
    return put("one");
  });
  store.update("k", [](const Entry* old) -> Change {
    REQUIRE(old != nullptr);
    CHECK(old->value == "one");
    return {};
  });
  const Timestamp later = std::chrono::system_clock::now() + 1h;
  store.update("k", [&](const Entry*) -> Change {
    return {.kind = Change::Kind::retime, .value = {.bytes = {}, .expires = later}};
  });
  CHECK(cache.entry("k")->expires == later);
  store.update("k", [](const Entry*) -> Change { return {.kind = Change::Kind::erase}; });
  CHECK_FALSE(cache.contains("k"));
  // Of what is not there, there is nothing to erase or to give a new expiry.
  store.update("k", [](const Entry*) -> Change { return {.kind = Change::Kind::erase}; });
  store.update("k", [&](const Entry*) -> Change {
    return {.kind = Change::Kind::retime, .value = {.bytes = {}, .expires = later}};
  });
  CHECK(cache.size() == 0);
  cache.set("old", "v", {.expire = 0s, .tags = "t"});
  store.update("old", [](const Entry* entry) -> Change {
    CHECK(entry == nullptr);
    return {.kind = Change::Kind::erase};
  });
  CHECK(cache.stats().tags == 0);
}

TEST_CASE_FIXTURE(Records, "begin and commit must come in pairs") {
  CHECK_FALSE(store.in_transaction());
  CHECK_THROWS_AS(store.commit(), Misuse);
  store.rollback();
  store.begin();
  CHECK(store.in_transaction());
  std::thread([&] { CHECK_FALSE(store.in_transaction()); }).join();
  store.begin();
  store.put("k", {.bytes = "v"}, Store::Put::always);
  store.commit();
  CHECK(store.in_transaction());
  CHECK_FALSE(Cache(path()).contains("k"));
  store.commit();
  CHECK_FALSE(store.in_transaction());
  CHECK(Cache(path()).contains("k"));
}
