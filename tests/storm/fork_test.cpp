// SPDX-License-Identifier: Apache-2.0
//
// Forked children that go on while a lock is held or waited for: the proof of life is the parent's alone.
#include <csignal>

#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(OneCache, "the lock of a killed parent becomes free although a forked child lives on") {
  for (int round = 0; round < rounds(5); ++round) {
    Worker worker({"fork", "outlived", path()});
    REQUIRE(worker.line() == "child");
    SyncLock lock(cache, "k");
    CHECK_FALSE(lock.try_lock());
    CHECK(lock.holder()->pid == worker.pid());
    worker.signal(SIGKILL);
    CHECK(lock.try_lock_for(10s));
    CHECK(lock.previous_owner_died());
    CHECK(worker.ask("lock") == "Forked");
    CHECK(worker.ask("own") == "busy");
    CHECK(lock.release() == Release::released);
    CHECK(worker.ask("own") == "took it");
    CHECK(cache.stats().locks == 0);
  }
}

TEST_CASE_FIXTURE(OneCache, "the waiter of a killed parent is gone although a forked child lives on") {
  for (int round = 0; round < rounds(5); ++round) {
    SyncLock lock(cache, "k");
    lock.lock();
    Worker worker({"fork", "waiting", path()});
    REQUIRE(worker.line() == "child");
    CHECK(locks(cache).at(0).waiters.at(0).state == Liveness::alive);
    worker.signal(SIGKILL);
    CHECK(eventually([&] { return locks(cache).at(0).waiters.at(0).state == Liveness::dead; }));
    // The queue has nobody left in it who could come.
    CHECK(lock.release() == Release::released);
    SyncLock fair(cache, "k", {.fair = true});
    CHECK(fair.try_lock_for(10s));
    CHECK(fair.release() == Release::released);
    CHECK(cache.stats().locks == 0);
    CHECK(worker.ask("lock") == "Forked");
    CHECK(worker.ask("own") == "took it");
  }
}

TEST_CASE_FIXTURE(
    OneCache, "a thread that waits gets its lock although its process forks, and its child holds nothing") {
  SyncLock lock(cache, "k");
  lock.lock();
  Worker worker({"fork", "waiting", path()});
  REQUIRE(worker.line() == "child");
  CHECK(worker.ask("own") == "busy");
  CHECK(worker.ask("lock") == "Forked");
  CHECK(locks(cache).at(0).waiters.size() == 1);
  CHECK(lock.release() == Release::released);
  CHECK(worker.line() == "got it");
  CHECK(worker.ask("own") == "busy");
  CHECK(worker.ask("exit") == "child ended with 0");
  CHECK(worker.line() == "still owned");
  CHECK(worker.wait() == 0);
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(OneCache,
                  "a child that ends before its parent, however it ends, leaves the parent its locks") {
  Worker worker({"fork", "first", path()});
  SyncLock lock(cache, "k");
  SyncRLock rlock(cache, "r");
  for (const char* end : {"0", "0", "137"}) {
    CHECK(worker.line() == std::string("child ended with ") + end);
    CHECK(worker.line() == "still owned");
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(rlock.try_lock());
    CHECK(clear_lock(cache, "k") == Cleared::refused);
    worker.say("go on");
  }
  CHECK(worker.wait() == 0);
  CHECK(lock.try_lock());
  CHECK(rlock.try_lock());
  CHECK_FALSE(lock.previous_owner_died());
}

TEST_CASE_FIXTURE(OneCache, "every call on a lock of the parent's is Forked in the child, except unlock") {
  Worker worker({"fork", "asked", path()});
  for (const char* call : {"lock", "try_lock", "try_lock_for", "release", "renew", "locked", "owned",
                           "holder", "locks", "clear_lock", "guard"}) {
    CHECK(worker.line() == std::string(call) + " Forked");
  }
  CHECK(worker.line() == "unlock fine");
  CHECK(worker.line() == "child ended with 0");
  CHECK(worker.line() == "still owned");
  CHECK(worker.wait() == 0);
}

TEST_SUITE_END();
