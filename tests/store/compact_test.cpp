// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <filesystem>

#include "support/check.hpp"
#include "support/database.hpp"
#include "support/worker.hpp"

namespace fs = std::filesystem;

namespace {

void fill(Cache& cache, int count) {
  cache.transact([&](Transaction& transaction) {
    for (int i = 0; i < count; ++i) {
      transaction.set("k" + std::to_string(i), std::string(600, static_cast<char>('a' + i % 26)),
                      {.tags = i % 2 == 0 ? Tags{"even"} : Tags{}});
    }
  });
}

std::uint64_t bytes_of(const std::string& path, const char* name) {
  return fs::file_size(fs::path(path) / name);
}

struct StopCompacting {};

}  // namespace

TEST_CASE_FIXTURE(OneCache, "compact gives free pages back, and the cache can be opened as before") {
  fill(cache, 20'000);
  cache.set("large", std::string(100'000, 'x'));
  CHECK(cache.evict("even") == 10'000);
  cache.set("over", "v", {.expire = 0s});
  const CompactReport report = cache.compact();
  CHECK(report.expired == 1);
  CHECK(report.complete);
  CHECK(report.after < report.before * 7 / 10);
  CHECK(report.after == bytes_of(path(), "cache.db") + 100'000);
  CHECK(bytes_of(path(), "cache.db-wal") <= 1 << 20);
  CHECK(integrity(path()) == "ok");
  CHECK(cache.check().problems.empty());
  { const Cache closing = std::move(cache); }
  Cache again(path());
  CHECK(again.size() == 10'001);
  CHECK(again.get("k19999") == std::string(600, static_cast<char>('a' + 19'999 % 26)));
  again.set("k1", "new");
  CHECK(again.get("k1") == "new");
}

TEST_CASE_FIXTURE(OneCache, "compact beside readers and writers of other connections loses nothing") {
  fill(cache, 5000);
  std::atomic<bool> stop{false};
  std::atomic<int> written{0};
  std::thread writer([&] {
    Cache other(path());
    while (!stop) {
      other.incr("count");
      ++written;
      if (other.get("k1") != std::string(600, 'b')) FAIL_CHECK("a value has gone");
    }
  });
  CHECK(eventually([&] { return written > 0; }));
  for (int i = 0; i < 5; ++i) {
    cache.evict("even");
    const int before = written;
    cache.compact();
    CHECK(eventually([&] { return written > before; }));
  }
  stop = true;
  writer.join();
  CHECK(cache.get("count") == std::to_string(written));
  CHECK(cache.check().problems.empty());
}

TEST_CASE_FIXTURE(OneCache, "a compact that is stopped leaves the cache as it was, and a short log") {
  fill(cache, 30'000);
  cache.evict("even");
  int calls = 0;
  CHECK_THROWS_AS(cache.compact({.on_progress =
                                     [&](std::uint64_t, std::uint64_t) {
                                       if (++calls == 3) throw StopCompacting();
                                     }}),
                  StopCompacting);
  CHECK(cache.size() == 15'000);
  CHECK(bytes_of(path(), "cache.db-wal") <= 8 << 20);
  CHECK(cache.check().problems.empty());
  cache.set("k", "v");
  CHECK(cache.compact().complete);
}
