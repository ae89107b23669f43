// SPDX-License-Identifier: Apache-2.0
#include "dcache/lock_log.hpp"

#include <thread>

#include "dcache/dcache.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/worker.hpp"

TEST_CASE_FIXTURE(OneCache, "ordinary use leaves no line in the log") {
  SyncLock lock(cache, "k");
  lock.lock();
  CHECK_FALSE(SyncLock(cache, "k").try_lock());
  lock.unlock();
  CHECK(lock_events(cache).empty());
}

TEST_CASE_FIXTURE(OneCache,
                  "a grant that was cleared by force, and that its holder then misses, are logged in order") {
  const std::string key("\xff\n\0key", 6);
  SyncLock lock(cache, key);
  lock.lock();
  CHECK(clear_lock(cache, key, {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  CHECK(lock.release() == Release::lost);
  const std::vector<LockEvent> events = lock_events(cache);
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == LockEvent::Kind::cleared);
  CHECK(events[0].key == key);
  CHECK(events[0].fence == lock.fence());
  CHECK(events[0].other == events[0].owner);
  CHECK(events[1].kind == LockEvent::Kind::lost);
  CHECK(events[1].number == events[0].number + 1);
  CHECK(lock_events(cache, events[0].number).size() == 1);
  CHECK(lock_events(cache, events[1].number).empty());
}

TEST_CASE_FIXTURE(OneCache, "what is refused or was over anyway is not cleared by force") {
  SyncLock lock(cache, "k", {.lease = 1ms});
  lock.lock();
  std::this_thread::sleep_for(5ms);
  CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  SyncLock live(cache, "k");
  live.lock();
  CHECK(clear_lock(cache, "k", {.fence = 1, .force = true}) == Cleared::refused);
  CHECK(lock_events(cache).empty());
}

TEST_CASE_FIXTURE(OneCache, "the log keeps the newest 256 events, and survives the process") {
  for (int i = 0; i < 300; ++i) {
    SyncLock lock(cache, "k" + std::to_string(i));
    lock.lock();
    CHECK(clear_lock(cache, lock.key(), {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  }
  const Cache again(path());
  const std::vector<LockEvent> events = lock_events(again);
  CHECK(events.size() == 256);
  CHECK(events.front().key == "k44");
  CHECK(events.back().number == 300);
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "a lock taken over from a killed process is logged with both owners") {
    Worker worker({"shell", path()});
    REQUIRE(worker.line() == "ready");
    REQUIRE(worker.ask("lock k").starts_with("held "));
    const std::string pid = std::to_string(worker.pid());
    worker.kill();
    SyncLock lock(cache, "k");
    CHECK(lock.try_lock_for(20s));
    const std::vector<LockEvent> events = lock_events(cache);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == LockEvent::Kind::taken_over);
    CHECK(events[0].fence == lock.fence());
    CHECK(events[0].other == pid + "-" + pid);
  }
}
