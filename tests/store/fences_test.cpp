// SPDX-License-Identifier: Apache-2.0
//
// Fences only grow and never repeat, whatever is closed, cleared, rebooted, set back or damaged.
#include <set>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "dcache/store.hpp"
#include "platform/clock.hpp"
#include "platform/process.hpp"
#include "support/check.hpp"
#include "support/database.hpp"

namespace {

constexpr std::uint64_t kSafeInJson = std::uint64_t{1} << 53;

/// Takes a fence as a lock does: with a record that is removed again.
std::uint64_t grant(Cache& cache) {
  Store& store = cache.state()->store();
  std::uint64_t taken = 0;
  REQUIRE(store.add_record(
      Space::locks, "k",
      [&](std::uint64_t fence) {
        taken = fence;
        return std::string("record");
      },
      kNoDeadline));
  REQUIRE(store.erase_record(Space::locks, "k", "record", kNoDeadline));
  return taken;
}

struct FenceCounter {
  explicit FenceCounter(const std::string& path) : database(std::filesystem::path(path) / "cache.db") {}

  void set(const std::string& text) {
    database.run("UPDATE records SET value = CAST('" + text + "' AS BLOB) WHERE space = 0");
  }
  std::string get() { return database.text("SELECT value FROM records WHERE space = 0"); }

  Database database;
};

std::uint64_t microseconds() { return static_cast<std::uint64_t>(platform::now().unix_nanoseconds() / 1000); }

std::string numbers(std::uint64_t last, std::uint64_t reserved) {
  return ' ' + std::to_string(last) + ' ' + std::to_string(reserved);
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "fences strictly increase over ten thousand grants, and JSON keeps them") {
  std::uint64_t last = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t next = grant(cache);
    if (next <= last || next >= kSafeInJson) FAIL(next << " after " << last);
    last = next;
  }
}

TEST_CASE_FIXTURE(OneCache, "fences go on increasing when the cache is closed and opened again") {
  std::uint64_t last = 0;
  for (int i = 0; i < 50; ++i) {
    Cache again(path());
    for (int k = 0; k < 3; ++k) {
      const std::uint64_t next = grant(again);
      CHECK(next > last);
      last = next;
    }
  }
  CHECK(grant(cache) > last);
}

TEST_CASE_FIXTURE(OneCache, "clearing a lock and all values brings no fence back") {
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    SyncLock lock(cache, "k");
    lock.lock();
    CHECK(lock.fence() > last);
    last = lock.fence();
    cache.set("k", "v");
    CHECK(clear_lock(cache, "k", {.fence = last, .force = true}) == Cleared::cleared);
    cache.clear();
  }
}

TEST_CASE_FIXTURE(OneCache, "two caches and many threads never get the same fence") {
  Cache other(path());
  std::vector<std::uint64_t> all;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Store& store = (i % 2 == 0 ? cache : other).state()->store();
      for (int k = 0; k < 200; ++k) {
        const std::string key = std::to_string(i) + ":" + std::to_string(k);
        store.update_record(
            Space::locks, key,
            [&](const std::string*, std::uint64_t fence) -> RecordChange {
              const std::scoped_lock lock(mutex);
              all.push_back(fence);
              return {.kind = RecordChange::Kind::put, .bytes = "x", .fence_used = true};
            },
            kNoDeadline);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(all.size() == 800);
  CHECK(std::is_sorted(all.begin(), all.end()));
  CHECK(std::set<std::uint64_t>(all.begin(), all.end()).size() == 800);
}

TEST_CASE_FIXTURE(OneCache,
                  "after a reboot the first fence is above all that may have been handed out before") {
  const std::uint64_t first = grant(cache);
  FenceCounter counter(path());
  CHECK(counter.get().starts_with(platform::boot_id() + ' '));
  // A boot ago fences up to `reserved` were safe to hand out; a power loss has undone all notes of them.
  const std::uint64_t reserved = first + 1'000'000'000'000;
  counter.set("0123456789abcdef0123456789abcdef" + numbers(first, reserved));
  const std::uint64_t next = grant(cache);
  CHECK(next > reserved);
  CHECK(counter.get().starts_with(platform::boot_id() + ' '));
  CHECK(grant(cache) > next);
}

TEST_CASE_FIXTURE(OneCache, "a clock that was set back by years takes no fence back") {
  grant(cache);
  FenceCounter counter(path());
  const std::uint64_t future = microseconds() + 365ULL * 86400 * 1'000'000;
  counter.set(platform::boot_id() + numbers(future, future + 1'000'000));
  CHECK(grant(cache) == future + 1);
  CHECK(grant(cache) == future + 2);
  Cache again(path());
  CHECK(grant(again) == future + 3);
}

TEST_CASE_FIXTURE(OneCache, "fences that are used up are reserved anew, without a gap that goes back") {
  grant(cache);
  FenceCounter counter(path());
  const std::uint64_t future = microseconds() + 1'000'000'000;
  counter.set(platform::boot_id() + numbers(future, future + 3));
  std::uint64_t last = future;
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t next = grant(cache);
    CHECK(next > last);
    last = next;
  }
  const std::string text = counter.get();
  CHECK(std::stoull(text.substr(text.rfind(' ') + 1)) > last);
}

TEST_CASE_FIXTURE(OneCache, "a damaged counter is Corrupt: no lock is granted, values work") {
  const std::string boot = platform::boot_id();
  for (const std::string& text :
       {std::string(), std::string("garbage"), boot, boot + " 1", boot + " 1 ", boot + " 1 2 3",
        boot + " 1 2x", boot + " -1 2", boot + " 1 0x2", boot + "  1 2", boot + " 99999999999999999999999 2",
        boot + " 1\n2 3",
        // Beyond what JSON keeps, and where the next one would begin again at 0.
        boot + " 9007199254740992 9007199254740999", boot + " 18446744073709551615 18446744073709551615",
        boot + " 1 18446744073709551615",
        "other " + std::string("18446744073709551615 18446744073709551615")}) {
    CAPTURE(text);
    const TempDir own;
    Cache damaged(own / "cache");
    grant(damaged);
    FenceCounter(own / "cache").set(text);
    SyncLock lock(damaged, "k");
    SyncRLock rlock(damaged, "k");
    const std::string error = thrown<Corrupt>([&] { lock.lock(); });
    CHECK(has(error, (own / "cache").native()));
    CHECK_THROWS_AS(static_cast<void>(rlock.try_lock()), Corrupt);
    CHECK(damaged.stats().locks == 0);
    damaged.set("k", "v");
    CHECK(damaged.get("k") == "v");
  }
}
