// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "dcache/lock.hpp"
#include "support/check.hpp"

TEST_CASE_FIXTURE(OneCache,
                  "sixteen threads share a Cache: values of all sizes, transactions, listings, locks") {
  constexpr int kThreads = 16;
  const int steps = rounds(200);
  int guarded = 0;
  std::atomic<int> wrong{0};
  const auto work = [&](int thread) {
    const std::string own = "own" + std::to_string(thread);
    SyncLock lock(cache, "lock", {.timeout = 60s});
    for (int i = 0; i < steps; ++i) {
      const std::string value = own + std::string(i % 8 == 0 ? 50'000 : 50, static_cast<char>('a' + i % 26));
      cache.set(own, value, {.tags = own});
      if (cache.get(own) != value) ++wrong;
      cache.incr("total");
      cache.transact([&](Transaction& transaction) {
        const std::int64_t one = transaction.incr("left");
        if (transaction.incr("right") != one) ++wrong;
      });
      {
        const std::scoped_lock hold(lock);
        ++guarded;
      }
      if (i % 10 == thread % 10) {
        if (cache.evict(own) != 1) ++wrong;
        if (cache.contains(own)) ++wrong;
      }
      if (i % 20 == 0) {
        for (const Entry& entry : cache.entries({.prefix = "own"})) {
          if (!entry.value.starts_with(entry.key)) ++wrong;
        }
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(guarded == kThreads * steps);
  CHECK(cache.get("total") == std::to_string(kThreads * steps));
  CHECK(cache.get("left") == cache.get("right"));
  CHECK(cache.check().problems.empty());
}

TEST_CASE_FIXTURE(OneCache, "a large value that is replaced all the time is never a miss, and always whole") {
  const auto value = [](int i) { return std::string(40'000, static_cast<char>('a' + i % 26)); };
  Cache other(path());
  cache.set("k", value(0));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      for (; !stop; ++reads) {
        const std::optional<std::string> found = other.get("k");
        if (!found || found->size() != 40'000 || *found != value(found->front() - 'a')) ++wrong;
      }
    });
  }
  for (int i = 0; i < rounds(3000) || reads < 1000; ++i) cache.set("k", value(i));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
}
