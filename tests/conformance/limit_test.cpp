// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <stdexcept>

#include "conformance/engines.hpp"

namespace {

constexpr std::uint64_t kLimit = 1U << 20;

void limit(Cache& cache, std::uint64_t bytes, Policy policy = Policy::oldest) {
  cache.configure([&](Settings& settings) { settings = {.size_limit = bytes, .policy = policy}; });
}

std::string numbered(int i) { return "k" + std::to_string(i); }

}  // namespace

ENGINE_TEST("settings are kept for all users of the cache") {
  CHECK(cache.settings().size_limit == 0);
  CHECK(cache.settings().policy == Policy::sieve);
  limit(cache, 12345, Policy::none);
  cache.configure([](Settings&) {});
  reopen();
  CHECK(cache.settings().size_limit == 12345);
  CHECK(cache.settings().policy == Policy::none);
  CHECK_THROWS_AS(cache.configure([](Settings& settings) {
    settings.size_limit = 1;
    throw std::runtime_error("mine");
  }),
                  std::runtime_error);
  CHECK(cache.settings().size_limit == 12345);
}

ENGINE_TEST("a function that changes settings may look into the cache and store") {
  cache.configure([&](Settings& settings) {
    settings.size_limit = cache.settings().size_limit + kLimit;
    cache.set("k", "v");
  });
  CHECK(cache.settings().size_limit == kLimit);
  CHECK(cache.contains("k"));
}

ENGINE_TEST("changes of settings by several threads add up") {
  std::vector<std::future<void>> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.push_back(std::async(std::launch::async, [&] {
      for (int i = 0; i < 50; ++i) {
        cache.configure([](Settings& settings) {
          ++settings.size_limit;
          std::this_thread::yield();
        });
      }
    }));
  }
  for (std::future<void>& thread : threads) thread.get();
  CHECK(cache.settings().size_limit == 200);
}

ENGINE_TEST("bytes grow and shrink with what is stored") {
  const std::uint64_t empty = cache.bytes();
  for (int i = 0; i < 100; ++i) cache.set(numbered(i), std::string(10'000, 'v'));
  const std::uint64_t full = cache.bytes();
  CHECK(full >= empty + 1'000'000);
  CHECK(full <= empty + 2'000'000);
  for (int i = 0; i < 100; ++i) cache.set(numbered(i), "v");
  CHECK(cache.bytes() < empty + 300'000);
  cache.clear();
  CHECK(cache.bytes() < empty + 100'000);
}

ENGINE_TEST("without a limit nothing is removed") {
  for (int i = 0; i < 100; ++i) cache.set(numbered(i), std::string(10'000, 'v'));
  CHECK(cache.cull() == 0);
  CHECK(cache.size() == 100);
}

STORE_TEST("after each write the cache is within its limit, and has the newest") {
  limit(cache, kLimit);
  for (int i = 0; i < 300; ++i) {
    cache.set(numbered(i), std::string(i % 7 == 0 ? 50'000 : 10'000, 'v'), {.tags = "t"});
    CHECK(cache.bytes() <= kLimit);
    CHECK(cache.contains(numbered(i)));
  }
  // What was inserted last is there, without a gap, and is a good part of what fits.
  const Keys left = keys(cache);
  REQUIRE(left.size() >= 20);
  CHECK(left.size() <= 105);
  for (std::size_t i = 0; i < left.size(); ++i)
    CHECK(left[i] == numbered(300 - static_cast<int>(left.size() - i)));
  CHECK(keys(cache, {.tags = "t"}) == left);
}

STORE_TEST("what has expired goes first") {
  limit(cache, kLimit);
  for (int i = 0; i < 20; ++i) cache.set("old" + std::to_string(i), std::string(10'000, 'v'));
  for (int i = 0; i < 50; ++i)
    cache.set("dead" + std::to_string(i), std::string(10'000, 'v'), {.expire = 0s});
  for (int i = 0; i < 50; ++i) cache.set(numbered(i), std::string(10'000, 'v'));
  CHECK(cache.size() == 70);
  CHECK(cache.stats().expired < 50);
  // One that needs more room than what has expired leaves.
  for (int i = 0; i < 10; ++i) CHECK(cache.touch("old" + std::to_string(i), 0s));
  cache.set("large", std::string(900'000, 'v'));
  CHECK(cache.bytes() <= kLimit);
  CHECK(cache.stats().expired == 0);
  CHECK(keys(cache).back() == "large");
}

STORE_TEST("a value that was just stored stays, although it is in the oldest place") {
  limit(cache, kLimit);
  cache.set("first", "small");
  for (int i = 0; i < 60; ++i) cache.set(numbered(i), std::string(10'000, 'v'));
  cache.set("first", std::string(600'000, 'v'));
  CHECK(keys(cache).front() == "first");
  CHECK(cache.bytes() <= kLimit);
  CHECK(cache.size() >= 5);
}

ENGINE_TEST("a value larger than the limit is Full and leaves everything as it was") {
  limit(cache, kLimit);
  for (int i = 0; i < 50; ++i) cache.set(numbered(i), std::string(10'000, 'v'));
  const std::string large(2 * kLimit, 'l');
  CHECK_THROWS_AS(cache.set("large", large), Full);
  CHECK_THROWS_AS(cache.set(numbered(3), large), Full);
  CHECK_THROWS_AS(static_cast<void>(cache.add("large", large)), Full);
  CHECK_THROWS_AS(static_cast<void>(cache.replace(numbered(3), std::string(10'000, 'v'), large)), Full);
  int parts = 0;
  CHECK_THROWS_AS(
      cache.set_from("large", [&](std::span<std::byte> room) { return ++parts == 100 ? 0 : room.size(); }),
      Full);
  CHECK(cache.size() == 50);
  CHECK(cache.get(numbered(3)) == std::string(10'000, 'v'));
  CHECK_FALSE(cache.contains("large"));
}

STORE_TEST("with Policy::none what does not fit is Full, until something goes") {
  limit(cache, kLimit, Policy::none);
  int stored = 0;
  try {
    for (; stored < 1000; ++stored) cache.set(numbered(stored), std::string(10'000, 'v'));
  } catch (const Full&) {
  }
  CHECK(stored >= 20);
  CHECK(stored <= 105);
  CHECK(cache.size() == static_cast<std::uint64_t>(stored));
  CHECK(cache.bytes() <= kLimit);
  CHECK_THROWS_AS(cache.set("more", std::string(20'000, 'v')), Full);
  CHECK(cache.cull() == 0);
  CHECK(cache.erase(numbered(0)));
  CHECK(cache.erase(numbered(1)));
  CHECK(cache.erase(numbered(2)));
  cache.set("more", std::string(10'000, 'v'));
  CHECK(cache.contains("more"));
}

STORE_TEST("cull brings the cache within a limit that was lowered") {
  for (int i = 0; i < 300; ++i) cache.set(numbered(i), std::string(10'000, 'v'));
  for (int i = 0; i < 10; ++i) cache.set("dead" + std::to_string(i), "v", {.expire = 0s});
  limit(cache, kLimit);
  CHECK(cache.size() == 300);
  const std::uint64_t removed = cache.cull();
  CHECK(cache.bytes() <= kLimit);
  CHECK(cache.stats().expired == 0);
  CHECK(removed <= 310 - cache.size());
  CHECK(removed >= 300 - cache.size());
  const Keys left = keys(cache);
  REQUIRE(left.size() >= 20);
  CHECK(left.front() == numbered(300 - static_cast<int>(left.size())));
  CHECK(cache.cull() == 0);
}

STORE_TEST("the limit holds inside a transaction as well, and all comes back if it is undone") {
  limit(cache, kLimit);
  for (int i = 0; i < 60; ++i) cache.set("old" + std::to_string(i), std::string(10'000, 'v'));
  const Keys before = keys(cache);
  CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
    for (int i = 0; i < 100; ++i) transaction.set(numbered(i), std::string(10'000, 'v'));
    throw std::runtime_error("undo");
  }),
                  std::runtime_error);
  CHECK(keys(cache) == before);
  cache.transact([&](Transaction& transaction) {
    for (int i = 0; i < 50; ++i) transaction.set(numbered(i), std::string(10'000, 'v'));
  });
  CHECK(cache.bytes() <= kLimit);
  CHECK(cache.contains(numbered(49)));
  CHECK_FALSE(cache.contains("old0"));
}

STORE_TEST("what one call or transaction has stored is not evicted for its other parts") {
  limit(cache, 1 << 20);
  cache.set("old", "v");
  for (int i = 0; i < 8; ++i) cache.set("filler" + std::to_string(i), std::string(100'000, 'f'));
  const std::string large(300'000, 'x');
  cache.set_many({{"old", "w"}, {"new", large}});
  CHECK(cache.get("old") == "w");
  CHECK(cache.get("new") == large);
  cache.transact([&](Transaction& transaction) {
    transaction.set("p", "1");
    for (int i = 0; i < 5; ++i) transaction.set("q" + std::to_string(i), std::string(100'000, 'q'));
    CHECK(transaction.get("p") == "1");
  });
  CHECK(cache.contains("p"));
  CHECK(cache.contains("q0"));
  CHECK_THROWS_AS(cache.set_many({{"a", large}, {"b", large}, {"c", large}, {"d", large}}), Full);
  CHECK_FALSE(cache.contains("a"));
}

STORE_TEST("no more is evicted than the limit asks for") {
  limit(cache, 5 << 20);
  const std::string large(1'000'000, 'x');
  for (int i = 0; i < 20; ++i) cache.set("k" + std::to_string(i), large);
  CHECK(cache.size() >= 4);
  CHECK(cache.contains("k19"));
}
