// SPDX-License-Identifier: Apache-2.0
#include "conformance/engines.hpp"
#include "dcache/lock.hpp"

ENGINE_TEST("a check of a healthy cache counts what there is and has nothing to report") {
  for (int i = 0; i < 250; ++i) cache.set(std::to_string(i), "v", {.tags = {"a", "b"}});
  cache.set("large", std::string(100'000, 'l'));
  SyncLock lock(cache, "k");
  lock.lock();
  std::uint64_t last = 0;
  std::uint64_t end = 0;
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    CHECK(done >= last);
    CHECK(done <= total);
    last = done;
    end = total;
    cache.set("by the watcher", "v");
  };
  const CheckReport report = cache.check({.on_progress = progress});
  CHECK(report.problems.empty());
  CHECK(report.entries >= 251);
  CHECK(report.entries <= 252);
  CHECK(report.tag_rows == 500);
  CHECK(report.records == 1);
  CHECK(last == end);
  CHECK(cache.check({.fix = true}).problems.empty());
  CHECK(lock.owned());
}

ENGINE_TEST("a check inside a transaction is Misuse, and what its watcher throws comes out") {
  cache.set("k", "v");
  cache.transact([&](Transaction&) { CHECK_THROWS_AS(cache.check(), Misuse); });
  struct Enough {};
  CHECK_THROWS_AS(cache.check({.on_progress = [](std::uint64_t, std::uint64_t) { throw Enough(); }}), Enough);
  CHECK(cache.get("k") == "v");
}
