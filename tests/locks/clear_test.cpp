// SPDX-License-Identifier: Apache-2.0
//
// Looking at locks from outside, clearing them, and damaged records.
#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "dcache/store.hpp"
#include "support/check.hpp"
#include "support/database.hpp"

namespace {

std::vector<std::string> keys(const std::vector<LockInfo>& found) {
  std::vector<std::string> all;
  for (const LockInfo& info : found) all.push_back(info.key);
  return all;
}

using Keys = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(OneCache, "locks lists what is held, in order of key, by prefix and by all of the tags") {
  CHECK(locks(cache).empty());
  SyncLock b(cache, "job:b", {.tags = {"x", "y"}});
  SyncRLock a(cache, "job:a", {.tags = "x"});
  SyncLock c(cache, "other");
  SyncLock unused(cache, "job:unused");
  b.lock();
  a.lock();
  a.lock();
  c.lock();
  CHECK(keys(locks(cache)) == Keys{"job:a", "job:b", "other"});
  CHECK(keys(locks(cache, {.prefix = "job:"})) == Keys{"job:a", "job:b"});
  CHECK(keys(locks(cache, {.tags = "x"})) == Keys{"job:a", "job:b"});
  CHECK(keys(locks(cache, {.tags = {"y", "x"}})) == Keys{"job:b"});
  CHECK(keys(locks(cache, {.prefix = "o", .tags = "x"})).empty());
  const std::vector<LockInfo> all = locks(cache);
  CHECK(all[0].kind == "rlock");
  CHECK(all[0].holders.at(0).count == 2);
  CHECK(all[0].holders.at(0).fence == a.fence());
  CHECK(all[0].holders.at(0).state == Liveness::alive);
  CHECK(all[1].kind == "lock");
  b.unlock();
  CHECK(keys(locks(cache)) == Keys{"job:a", "other"});
}

TEST_CASE_FIXTURE(OneCache, "hundreds of locks are listed, over all pages") {
  std::vector<std::unique_ptr<SyncLock>> held;
  for (int i = 0; i < 250; ++i) {
    held.push_back(std::make_unique<SyncLock>(cache, "k" + std::to_string(1000 + i)));
    held.back()->lock();
  }
  const std::vector<std::string> found = keys(locks(cache));
  CHECK(found.size() == 250);
  CHECK(std::is_sorted(found.begin(), found.end()));
}

TEST_CASE_FIXTURE(OneCache, "the lock of a live holder is cleared only by its fence and by force") {
  SyncLock lock(cache, "k");
  CHECK(clear_lock(cache, "k") == Cleared::absent);
  CHECK(clear_lock(cache, "k", {.fence = 1, .force = true}) == Cleared::absent);
  lock.lock();
  const std::uint64_t fence = lock.fence();
  for (const ClearOptions& options :
       {ClearOptions{}, ClearOptions{.force = true}, ClearOptions{.fence = fence},
        ClearOptions{.fence = fence + 1, .force = true}, ClearOptions{.fence = fence - 1, .force = true},
        ClearOptions{.fence = 0, .force = true}}) {
    CHECK(clear_lock(cache, "k", options) == Cleared::refused);
    CHECK(lock.owned());
  }
  CHECK(clear_lock(cache, "k", {.fence = fence, .force = true}) == Cleared::cleared);
  CHECK_FALSE(lock.owned());
}

TEST_CASE_FIXTURE(OneCache, "a lock whose lease is over is cleared without force") {
  SyncLock lock(cache, "k", {.lease = 5ms});
  lock.lock();
  REQUIRE(eventually([&] { return !lock.locked(); }));
  const LockInfo info = locks(cache).at(0);
  CHECK(info.holders.at(0).lease_left <= Duration());
  CHECK(clear_lock(cache, "k", {.fence = lock.fence() + 1}) == Cleared::refused);
  CHECK(clear_lock(cache, "k") == Cleared::cleared);
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache, "a damaged record is Corrupt for everybody, and only force clears it") {
  SyncLock holder(cache, "k\x1b");
  holder.lock();
  // Its holder has it, then it is damaged: nobody may take it now, since nobody can tell who has it.
  for (const char* damage : {"'garbage'", "''", "replace(value, '\"count\":1', '\"count\":7 ')",
                             "substr(value, 2)", "value || ' '", "x'00ff'"}) {
    CAPTURE(std::string(damage));
    Database(dir / "cache" / "cache.db")
        .run(std::string("UPDATE records SET value = CAST(") + damage + " AS BLOB) WHERE space = 1");
    SyncLock lock(cache, "k\x1b");
    SyncRLock rlock(cache, "k\x1b");
    const std::string text = thrown<Corrupt>([&] { lock.lock(); });
    CHECK(has(text, "k\\x1b"));
    CHECK(has(text, path()));
    CHECK(has(text, "force"));
    CHECK_THROWS_AS(static_cast<void>(lock.try_lock()), Corrupt);
    CHECK_THROWS_AS(static_cast<void>(rlock.try_lock()), Corrupt);
    CHECK_THROWS_AS(static_cast<void>(lock.locked()), Corrupt);
    CHECK_THROWS_AS(static_cast<void>(lock.holder()), Corrupt);
    CHECK_THROWS_AS(static_cast<void>(holder.owned()), Corrupt);
    CHECK_THROWS_AS(static_cast<void>(holder.release()), Corrupt);
    const std::vector<LockInfo> listed = locks(cache);
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].kind == "damaged");
    CHECK(listed[0].holders.empty());
    CHECK(clear_lock(cache, "k\x1b") == Cleared::refused);
    CHECK(clear_lock(cache, "k\x1b", {.fence = 1}) == Cleared::refused);
    CHECK(clear_lock(cache, "k\x1b", {.force = true}) == Cleared::cleared);
    const std::uint64_t before = holder.fence();
    CHECK(lock.try_lock());
    CHECK(lock.fence() > before);
    CHECK(holder.release() == Release::lost);
    CHECK(lock.release() == Release::released);
    holder.lock();
  }
}

TEST_CASE_FIXTURE(OneCache,
                  "a record of a newer version, with members that mean who knows what, is refused") {
  for (const char* change : {R"(replace(text, '"holders":', '"ghosts":[],"holders":'))",
                             R"(replace(text, '"mode":', '"weight":2,"mode":'))",
                             R"(replace(text, '"kind":"lock"', '"kind":"hyperlock"'))",
                             R"(replace(text, '"mode":"x"', '"mode":"intent"'))"}) {
    CAPTURE(std::string(change));
    SyncLock holder(cache, "k");
    holder.lock();
    Database(dir / "cache" / "cache.db")
        .run(std::string("WITH old(text) AS (SELECT CAST(value AS TEXT) FROM records WHERE space = 1) "
                         "UPDATE records SET value = CAST((SELECT ") +
             change + " FROM old) AS BLOB) WHERE space = 1");
    SyncLock lock(cache, "k", {.fair = true});
    CHECK(has(thrown<Corrupt>([&] { lock.lock(); }), "newer version"));
    CHECK_THROWS_AS(static_cast<void>(holder.release()), Corrupt);
    CHECK(locks(cache).at(0).kind == "damaged");
    CHECK(clear_lock(cache, "k") == Cleared::refused);
    CHECK(clear_lock(cache, "k", {.force = true}) == Cleared::cleared);
    CHECK(lock.try_lock());
    CHECK(holder.release() == Release::lost);
    lock.unlock();
  }
}

TEST_CASE_FIXTURE(OneCache,
                  "a record of another agent that was put in place of ours is not ours to release") {
  SyncLock lock(cache, "k");
  lock.lock();
  Database(dir / "cache" / "cache.db")
      .run(
          "UPDATE records SET value = CAST(replace(CAST(value AS TEXT), '\"agent\":', '\"agent\":9') AS "
          "BLOB) "
          "WHERE space = 1");
  CHECK_FALSE(lock.owned());
  CHECK(lock.release() == Release::lost);
  CHECK(cache.stats().locks == 1);
}
