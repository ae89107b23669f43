// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "conformance/engines.hpp"

namespace {

struct Stop {};

}  // namespace

ENGINE_TEST("compact removes what has expired and nothing else") {
  cache.set("over", "v", {.expire = 0s});
  cache.set("k", "v", {.tags = "t"});
  const CompactReport report = cache.compact();
  CHECK(report.expired == 1);
  CHECK(report.complete);
  CHECK(report.before > 0);
  CHECK(report.after > 0);
  CHECK(cache.stats().expired == 0);
  check_keys(cache, {"k"});
  cache.transact([&](Transaction&) { CHECK_THROWS_AS(cache.compact(), Misuse); });
}

ENGINE_TEST("a backup is a file, or refused by an engine that is in memory alone") {
  const TempDir dir;
  cache.set("k", "v");
  try {
    cache.backup(dir / "b");
    CHECK(Cache::restore(dir / "b", dir / "copy").get("k") == "v");
  } catch (const Unsupported& error) {
    CHECK(has(error.what(), "in memory alone"));
    CHECK(cache.directory() == "memory:");
    CHECK_FALSE(std::filesystem::exists(dir / "b"));
  }
}

ENGINE_TEST("evict and clear tell how many went, and stop when they are told to") {
  for (const bool clear : {false, true}) {
    CAPTURE(clear);
    store_numbered(cache, 1000, "k", {.tags = "t"});
    const auto remove = [&](const OnProgress& on_progress) {
      return clear ? cache.clear(on_progress) : cache.evict("t", Match::any, on_progress);
    };
    CHECK_THROWS_AS(remove([](std::uint64_t, std::uint64_t) { throw Stop(); }), Stop);
    const std::uint64_t left = cache.size();
    CHECK(left < 1000);
    std::uint64_t told = 0;
    CHECK(remove([&](std::uint64_t done, std::uint64_t) {
            CHECK(done >= told);
            told = done;
          }) == left);
    CHECK(told == left);
    check_keys(cache, {});
  }
}
