// SPDX-License-Identifier: Apache-2.0
//
// Grants that outlive the process which took them.
#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(OneCache, "a kept grant stays when its process unlocks, ends or is killed") {
  for (const char* end : {"unlock", "quit", "exit", "kill"}) {
    CAPTURE(std::string(end));
    const std::string key = end;
    Worker worker = shell(path());
    REQUIRE(worker.ask("lock " + key + " 60000 keep").starts_with("held"));
    if (key == "unlock") CHECK(worker.ask("unlock " + key) == "ok");
    if (key == "quit") CHECK(worker.wait() == 0);
    if (key == "exit") {
      worker.say("exit");
      CHECK(worker.wait() == 0);
    }
    if (key == "kill") worker.kill();
    for (const bool fair : {false, true}) {
      SyncLock lock(cache, key, {.timeout = 30ms, .fair = fair});
      CHECK_FALSE(lock.try_lock());
      CHECK_THROWS_AS(lock.lock(), Timeout);
    }
    CHECK(clear_lock(cache, key) == Cleared::refused);
    const Holder holder = SyncLock(cache, key).holder().value();
    CHECK(holder.keep);
    CHECK(holder.state == (key == "unlock" ? Liveness::alive : Liveness::dead));
    Worker other = shell(path());
    other.say("lock " + key);
    CHECK(other.try_line(50ms) == std::nullopt);
    CHECK(clear_lock(cache, key, {.fence = holder.fence, .force = true}) == Cleared::cleared);
    CHECK(other.line().starts_with("held"));
  }
}

TEST_CASE_FIXTURE(OneCache, "a kept grant of a killed process ends with its lease, for whoever waits") {
  Worker worker = shell(path());
  REQUIRE(worker.ask("lock k 700 keep").starts_with("held"));
  worker.kill();
  Worker one = shell(path());
  Worker two = shell(path());
  one.say("lock k fair");
  two.say("lock k");
  CHECK(one.try_line(100ms) == std::nullopt);
  int served = 0;
  const auto serve = [&](Worker& next) {
    const auto line = next.try_line(10ms);
    if (!line) return;
    // It came to its end, which nobody need be warned of.
    CHECK(line->starts_with("held"));
    CHECK_FALSE(has(*line, "died"));
    CHECK(next.ask("release k") == "released");
    ++served;
  };
  CHECK(eventually([&] { return serve(one), serve(two), served == 2; }));
  CHECK(eventually([&] { return SyncLock(cache, "k").try_lock(); }));
}

TEST_CASE_FIXTURE(OneCache, "unlocking a kept grant that was lost meanwhile tells so, once") {
  int told = 0;
  const auto count = [&](const std::string&, std::uint64_t) { ++told; };
  SyncLock lock(cache, "k", {.lease = 20ms, .keep = true, .on_lost = count});
  lock.lock();
  SyncLock next(cache, "k");
  next.lock();
  lock.unlock();
  CHECK(lock.lost());
  CHECK(told == 1);
  CHECK(next.owned());
}

TEST_CASE_FIXTURE(OneCache, "unlocking one handle of a kept re-entrant grant leaves the other's level") {
  SyncRLock one(cache, "k", {.lease = 60s, .keep = true});
  SyncRLock two(cache, "k", {.lease = 60s, .keep = true});
  one.lock();
  two.lock();
  one.unlock();
  CHECK(two.owned());
  two.unlock();
  CHECK_FALSE(two.owned());
  CHECK(two.locked());
}

TEST_CASE_FIXTURE(OneCache, "release ends a kept grant in its process, and renewing keeps it from ending") {
  Worker worker = shell(path());
  REQUIRE(worker.ask("lock k 60000 keep").starts_with("held"));
  CHECK(worker.ask("renew k") == "ok");
  SyncLock lock(cache, "k");
  CHECK_FALSE(lock.try_lock());
  CHECK(worker.ask("release k") == "released");
  CHECK(lock.try_lock());
}

TEST_SUITE_END();
