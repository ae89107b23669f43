// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <future>
#include <mutex>
#include <set>
#include <stdexcept>

#include "conformance/engines.hpp"

namespace {

constexpr Space kSpace = Space::locks;

bool add(Store& store, const std::string& key, const std::string& bytes, std::uint64_t* fence = nullptr) {
  return store.add_record(
      kSpace, key,
      [&](std::uint64_t number) {
        if (fence != nullptr) *fence = number;
        return bytes;
      },
      kNoDeadline);
}

}  // namespace

ENGINE_TEST("a record is added once, read back, and removed only by who knows its bytes") {
  Store& store = this->store();
  const std::string key("k\0\xFF", 3);
  CHECK_FALSE(store.record(kSpace, key));
  CHECK(add(store, key, "bytes"));
  CHECK_FALSE(add(store, key, "other"));
  CHECK(store.record(kSpace, key) == "bytes");
  CHECK_FALSE(store.erase_record(kSpace, key, "other", kNoDeadline));
  CHECK_FALSE(store.erase_record(kSpace, key, "", kNoDeadline));
  CHECK(store.record(kSpace, key) == "bytes");
  CHECK(store.erase_record(kSpace, key, "bytes", kNoDeadline));
  CHECK_FALSE(store.erase_record(kSpace, key, "bytes", kNoDeadline));
  CHECK_FALSE(store.record(kSpace, key));
  CHECK(add(store, key, ""));
  CHECK(store.record(kSpace, key) == "");
}

ENGINE_TEST("update_record does in one step what its function wants") {
  using Kind = RecordChange::Kind;
  Store& store = this->store();
  const auto update = [&](Kind kind, const std::string& bytes, const std::optional<std::string>& expected) {
    store.update_record(
        kSpace, "k",
        [&](const std::string* old, std::uint64_t) -> RecordChange {
          CHECK((old != nullptr ? std::optional(*old) : std::nullopt) == expected);
          return {.kind = kind, .bytes = bytes, .fence_used = false};
        },
        kNoDeadline);
  };
  update(Kind::keep, "", std::nullopt);
  update(Kind::erase, "", std::nullopt);
  CHECK_FALSE(store.record(kSpace, "k"));
  update(Kind::put, "1", std::nullopt);
  update(Kind::keep, "2", "1");
  update(Kind::put, "3", "1");
  CHECK(store.record(kSpace, "k") == "3");
  CHECK_THROWS_AS(
      store.update_record(
          kSpace, "k",
          [](const std::string*, std::uint64_t) -> RecordChange { throw std::runtime_error("mine"); },
          kNoDeadline),
      std::runtime_error);
  CHECK(store.record(kSpace, "k") == "3");
  update(Kind::erase, "", "3");
  CHECK_FALSE(store.record(kSpace, "k"));
}

ENGINE_TEST("the function of an update may ask about sessions") {
  Store& store = this->store();
  store.update_record(
      kSpace, "k",
      [&](const std::string*, std::uint64_t) -> RecordChange {
        CHECK(store.alive(store.session()) == Liveness::alive);
        return {};
      },
      kNoDeadline);
}

ENGINE_TEST("fences only grow, never repeat, and follow the clock") {
  Store& store = this->store();
  std::uint64_t last = 0;
  const auto since = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                                    std::chrono::system_clock::now().time_since_epoch())
                                                    .count());
  for (int i = 0; i < 200; ++i) {
    std::uint64_t fence = 0;
    if (i % 2 == 0) {
      CHECK(add(store, "k", "v", &fence));
      CHECK(store.erase_record(kSpace, "k", "v", kNoDeadline));
    } else {
      store.update_record(
          kSpace, "other",
          [&](const std::string*, std::uint64_t number) -> RecordChange {
            fence = number;
            return {.kind = RecordChange::Kind::put, .bytes = "v", .fence_used = true};
          },
          kNoDeadline);
    }
    CHECK(fence > last);
    CHECK(fence >= since);
    CHECK(fence < std::uint64_t{1} << 53);
    last = fence;
  }
  cache.clear();
  reopen();
  std::uint64_t fence = 0;
  CHECK(add(this->store(), "k", "v", &fence));
  CHECK(fence > last);
}

ENGINE_TEST("fences of several threads are all different, and each thread's grow") {
  std::mutex mutex;
  std::set<std::uint64_t> all;
  std::vector<std::future<void>> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.push_back(std::async(std::launch::async, [&, thread] {
      std::uint64_t last = 0;
      for (int i = 0; i < 50; ++i) {
        std::uint64_t fence = 0;
        CHECK(add(store(), std::to_string(thread) + ":" + std::to_string(i), "v", &fence));
        CHECK(fence > last);
        last = fence;
        const std::lock_guard lock(mutex);
        all.insert(fence);
      }
    }));
  }
  for (std::future<void>& thread : threads) thread.get();
  CHECK(all.size() == 200);
}

ENGINE_TEST("of several callers of add_record at once exactly one adds") {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::future<bool>> threads;
    for (int i = 0; i < 4; ++i) {
      threads.push_back(std::async(std::launch::async,
                                   [&, round] { return add(store(), "k" + std::to_string(round), "v"); }));
    }
    CHECK(std::count_if(threads.begin(), threads.end(),
                        [](std::future<bool>& thread) { return thread.get(); }) == 1);
  }
}

ENGINE_TEST("records are listed in order of key, from behind a key, up to a number") {
  Store& store = this->store();
  for (const char* key : {"c", "a", "", "b", "\xFF"}) add(store, key, std::string("of ") + key);
  const auto listed = [&](const std::optional<std::string>& after, std::size_t limit) {
    Keys found;
    for (const Record& record : store.records(kSpace, after, limit)) {
      CHECK(record.bytes == "of " + record.key);
      found.push_back(record.key);
    }
    return found;
  };
  CHECK(listed({}, 100) == Keys{"", "a", "b", "c", "\xFF"});
  CHECK(listed("", 2) == Keys{"a", "b"});
  CHECK(listed("aa", 100) == Keys{"b", "c", "\xFF"});
  CHECK(listed("\xFF", 100).empty());
  CHECK(listed({}, 0).empty());
}

ENGINE_TEST("records and values of one name know nothing of each other") {
  Store& store = this->store();
  add(store, "k", "record");
  CHECK_FALSE(cache.contains("k"));
  CHECK_FALSE(cache.erase("k"));
  check_keys(cache, {});
  cache.set("k", "value", {.expire = 0s});
  cache.expire();
  cache.set("k", "value", {.tags = "t"});
  cache.evict("t");
  cache.set("k", "value");
  CHECK(store.record(kSpace, "k") == "record");
  cache.clear();
  CHECK(store.record(kSpace, "k") == "record");
  cache.set("k", "value");
  CHECK(store.erase_record(kSpace, "k", "record", kNoDeadline));
  CHECK(cache.get("k") == "value");
}

ENGINE_TEST("a size limit does not touch records") {
  Store& store = this->store();
  add(store, "k", "record");
  cache.configure([](Settings& settings) { settings.size_limit = 1U << 20; });
  for (int i = 0; i < 200; ++i) cache.set(std::to_string(i), std::string(10'000, 'v'));
  CHECK(store.record(kSpace, "k") == "record");
}

ENGINE_TEST("records changed in a transaction are seen by others when it commits, or never") {
  Store& store = this->store();
  add(store, "old", "old");
  const auto elsewhere = [&](const std::string& key) {
    return std::async(std::launch::async, [&] { return store.record(kSpace, key); }).get();
  };
  for (const bool commit : {false, true}) {
    CAPTURE(commit);
    std::uint64_t fence = 0;
    store.begin();
    CHECK(add(store, "new", "new", &fence));
    CHECK(store.erase_record(kSpace, "old", "old", kNoDeadline));
    CHECK(store.record(kSpace, "new") == "new");
    CHECK_FALSE(store.record(kSpace, "old"));
    CHECK(store.records(kSpace, "m", 1).at(0).key == "new");
    CHECK_FALSE(elsewhere("new"));
    CHECK(elsewhere("old") == "old");
    commit ? store.commit() : store.rollback();
    CHECK(elsewhere("new").has_value() == commit);
    CHECK(elsewhere("old").has_value() == !commit);
    std::uint64_t later = 0;
    CHECK(add(store, commit ? "after commit" : "after rollback", "v", &later));
    CHECK(later > fence);
  }
}

STORE_TEST("a call on records waits for a transaction until its own deadline") {
  Store& store = this->store();
  add(store, "k", "v");
  store.begin();
  std::async(std::launch::async, [&] {
    const auto soon = [] { return std::chrono::steady_clock::now() + 30ms; };
    const auto start = std::chrono::steady_clock::now();
    CHECK_THROWS_AS(store.add_record(
                        kSpace, "new", [](std::uint64_t) { return std::string(); }, soon()),
                    Timeout);
    CHECK(std::chrono::steady_clock::now() - start >= 30ms);
    CHECK_THROWS_AS(store.erase_record(kSpace, "k", "v", soon()), Timeout);
    const auto keep = [](const std::string*, std::uint64_t) -> RecordChange { return {}; };
    CHECK_THROWS_AS(store.update_record(kSpace, "k", keep, soon()), Timeout);
    CHECK_THROWS_AS(store.update_record(kSpace, "k", keep, start), Timeout);
    CHECK(std::chrono::steady_clock::now() - start < 5s);
    CHECK(store.record(kSpace, "k") == "v");
  }).get();
  store.commit();
  // A deadline that has passed allows one try.
  CHECK(store.erase_record(kSpace, "k", "v", std::chrono::steady_clock::now() - 1s));
}

ENGINE_TEST("a session is alive, and in doubt nothing is dead") {
  Store& store = this->store();
  CHECK_FALSE(store.session().empty());
  CHECK(store.session() == store.session());
  CHECK(store.alive(store.session()) == Liveness::alive);
  CHECK(store.alive("") == Liveness::unknown);
  CHECK(store.alive("nonsense") == Liveness::unknown);
}
