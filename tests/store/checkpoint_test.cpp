// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/checkpoint.hpp"

#include <sqlite3.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <utility>
#include <vector>

#include "board/board.hpp"
#include "board/layout.hpp"
#include "store/sqlite/checkpointer.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/hooked_vfs.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;
/// A page in the log.
constexpr std::uint64_t kFrame = 2048 + 24;

std::uint64_t log_bytes(const std::string& path) {
  return std::filesystem::file_size(std::filesystem::path(path) / "cache.db-wal");
}

}  // namespace

TEST_CASE("which SQLite corrupts a database when a passive checkpoint races a writer is known") {
  using store::sqlite::passive_checkpoint_is_unsafe;
  for (const int version :
       {3035000, 3040001, 3044000, 3044005, 3045000, 3046001, 3050000, 3050006, 3051000, 3051002}) {
    CAPTURE(version);
    CHECK(passive_checkpoint_is_unsafe(version));
  }
  for (const int version : {3044006, 3044007, 3050007, 3050009, 3051003, 3052000, 3053000, 4000000}) {
    CAPTURE(version);
    CHECK_FALSE(passive_checkpoint_is_unsafe(version));
  }
}

TEST_CASE_FIXTURE(
    OneCache, "the log stays under 16 MiB through twenty thousand writes, and is at most 1 MiB at the end") {
  std::uint64_t most = 0;
  {
    const Cache closing = std::move(cache);
    Cache writer(path());
    for (int i = 0; i < 20'000; ++i) {
      writer.set("key" + std::to_string(i % 3000), std::string(600, static_cast<char>('a' + i % 26)));
      if (i % 50 == 0) most = std::max(most, log_bytes(path()));
    }
    CHECK(writer.stats().checkpoints > 0);
  }
  CHECK(most < 16 * kMebibyte);
  CHECK(log_bytes(path()) <= kMebibyte);
  CHECK(integrity(path()) == "ok");
  CHECK(Cache(path()).size() == 3000);
}

TEST_CASE_FIXTURE(OneCache,
                  "a log that one great transaction has made long is cut when the cache is closed") {
  cache.transact([](Transaction& transaction) {
    for (int i = 0; i < 600; ++i) transaction.set("k" + std::to_string(i), std::string(32 << 10, 'v'));
  });
  CHECK(log_bytes(path()) > kMebibyte);
  { const Cache closing = std::move(cache); }
  CHECK(log_bytes(path()) <= kMebibyte);
  CHECK(Cache(path()).size() == 600);
}

TEST_CASE("a thread of its own keeps the log short, and is gone when the cache is closed") {
  const TempDir dir;
  const std::string path = (dir / "cache").native();
  const std::ptrdiff_t before = thread_count();
  {
    Cache cache(path, {.background_checkpoints = true});
    CHECK(thread_count() == before);
    std::uint64_t most = 0;
    for (int i = 0; i < 20'000; ++i) {
      cache.set("key" + std::to_string(i % 3000), std::string(600, static_cast<char>('a' + i % 26)));
      if (i % 50 != 0 || log_bytes(path) <= most) continue;
      most = log_bytes(path);
      // A disk may be slower than we write.
      const std::uint64_t done = cache.stats().checkpoints;
      if (most > 12 * kMebibyte) CHECK(eventually([&] { return cache.stats().checkpoints > done; }));
    }
    CHECK(thread_count() == before + 1);
    CHECK(threads_that_take(SIGTERM) == 1);
    CHECK(most < 16 * kMebibyte);
    CHECK(eventually([&] { return cache.stats().checkpoints > 0; }));
  }
  CHECK(eventually([&] { return thread_count() == before; }));
  CHECK(log_bytes(path) <= kMebibyte);
  CHECK(integrity(path) == "ok");
  CHECK(Cache(path).size() == 3000);
}

TEST_CASE_FIXTURE(OneCache, "a log that another one copies is left alone until it is a quarter longer") {
  const auto memory = board::Board(path(), uuid_of(path()), [] { return true; }).mapping().memory;
  memory->at<std::atomic<int>>(board::kCopiedAt) = store::sqlite::kCheckpointPages;
  std::uint64_t longest = 0;
  for (int i = 0; i < 5000 && cache.stats().checkpoints == 0; ++i) {
    longest = log_bytes(path());
    cache.set("key" + std::to_string(i), std::string(600, 'v'));
  }
  CHECK(longest > 2400 * kFrame);
  CHECK(longest < 2600 * kFrame);
}

TEST_CASE("writers are not kept out while the disk takes what was copied beside them") {
  HookedVfs vfs;
  OneCache one;
  for (int i = 0; i < 500; ++i) one.cache.set("key" + std::to_string(i), std::string(600, 'v'));
  const Options options;
  std::atomic<int> in_use{0};
  store::sqlite::Checkpointer checkpointer(one.path() + "/cache.db", options, in_use);
  // Somebody writes again and again meanwhile, so that no copy beside others is a complete one.
  Cache busy(one.path(), {.timeout = 0s});
  int calls = 0;
  int written = 0;
  vfs.around_each_call([&] {
    if (++calls % 10 != 0) return;
    try {
      busy.set("busy", std::to_string(++written));
    } catch (const Timeout&) {
      return;
    }
  });

  Database other(one.path() + "/cache.db");
  sqlite3_busy_timeout(other.handle(), 0);
  int beside = 0;
  int alone = 0;
  vfs.before_database_sync([&](int writes) {
    const bool shut = other.try_run("BEGIN IMMEDIATE") != SQLITE_OK;
    if (!shut) other.run("ROLLBACK");
    (shut ? alone : beside) += writes;
  });
  checkpointer.run(store::sqlite::Checkpointer::Haste::urgent);
  vfs.before_database_sync(nullptr);
  vfs.around_each_call(nullptr);
  MESSAGE(beside << " pages synced beside others, " << alone << " while nobody could write");
  CHECK(beside > 100);
  CHECK(alone < 20);
}

TEST_CASE("who is woken by a change of a record does not wait for the checkpoint behind it") {
  HookedVfs vfs;
  OneCache one;
  Store& store = one.cache.state()->store();
  const std::vector<Agent> wake{{store.session(), 2}};
  const auto word = store.wake_word(2);
  bool synced = false;
  bool woken = false;
  vfs.before_database_sync([&](int) {
    if (!std::exchange(synced, true)) woken = store.wake_word(2) != word;
  });
  for (int i = 0; i < 5000 && !synced; ++i) {
    // Nobody is to be woken before the change that makes the log long enough.
    const bool last = log_bytes(one.path()) > (store::sqlite::kCheckpointPages - 10) * kFrame;
    store.update_record(
        Space::locks, "k" + std::to_string(i),
        [&](const std::string*, std::uint64_t) {
          RecordChange change{.kind = RecordChange::Kind::put, .bytes = std::string(600, 'v')};
          if (last) change.wake = wake;
          return change;
        },
        kNoDeadline);
  }
  vfs.before_database_sync(nullptr);
  CHECK(synced);
  CHECK(woken);
}

TEST_CASE_FIXTURE(OneCache, "a cache that is kept open falls back to a log of 8 MiB") {
  cache.transact([](Transaction& transaction) {
    for (int i = 0; i < 600; ++i) transaction.set("k" + std::to_string(i), std::string(32 << 10, 'v'));
  });
  for (int i = 0; i < 10; ++i) cache.set("after", std::to_string(i));
  CHECK(log_bytes(path()) <= 8 * kMebibyte);
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "the log does not grow with what four processes write while one reads") {
    std::vector<std::unique_ptr<Worker>> workers;
    for (int i = 0; i < 4; ++i) {
      const std::string id = std::to_string(i);
      workers.push_back(std::make_unique<Worker>(std::vector<std::string>{"load", path(), id, "20000", id}));
    }
    for (const auto& worker : workers) worker->line();
    for (const auto& worker : workers) worker->say("go");
    std::uint64_t most = 0;
    for (const auto& worker : workers) {
      for (;;) {
        static_cast<void>(cache.size());
        most = std::max(most, log_bytes(path()));
        const auto line = worker->try_line(10ms);
        if (!line) continue;
        CHECK_FALSE(line->starts_with("wrong"));
        if (line->starts_with("claimed")) break;
      }
      CHECK(worker->wait() == 0);
    }
    // 170 MiB if it never starts anew. 10 are seen, more where others keep the disk busy: writers go on while
    // what was copied is brought to it.
    CHECK(most < 64 * kMebibyte);
    CHECK(most > 0);
    MESSAGE("the longest log: " << most / 1024 << " KiB");
    CHECK(integrity(path()) == "ok");
  }
}
