// SPDX-License-Identifier: Apache-2.0
//
// Locks between processes: exclusion, dead and stopped holders, fork.
#include <csignal>
#include <map>
#include <memory>

#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/files.hpp"
#include "support/worker.hpp"

namespace {

/// Four processes that count in one file, each `times` times.
void check_counting(const OneCache& one, const std::string& kind, int times) {
  CAPTURE(kind);
  const std::string file = (one.dir / "counter").native();
  write_file(file, "0");
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 4; ++i) {
    workers.push_back(std::make_unique<Worker>(
        std::vector<std::string>{"count", one.path(), "counter " + kind, kind, file, std::to_string(times)}));
  }
  std::map<std::int64_t, std::uint64_t> fences;
  for (const auto& worker : workers) {
    for (const std::string& line : worker->rest()) {
      const std::size_t space = line.find(' ');
      REQUIRE(space != std::string::npos);
      // A number that two have counted was counted by two at once.
      CHECK(fences.emplace(std::stoll(line), std::stoull(line.substr(space + 1))).second);
    }
    CHECK(worker->wait() == 0);
  }
  CHECK(fences.size() == 4U * static_cast<std::size_t>(times));
  CHECK(read_file(file) == std::to_string(4 * times));
  std::uint64_t last = 0;
  for (const auto& [number, fence] : fences) {
    if (fence <= last) FAIL_CHECK("fence " << fence << " of number " << number << " after " << last);
    last = fence;
  }
  CHECK(one.cache.stats().locks == 0);
}

}  // namespace

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(
      OneCache,
      "four processes under a lock never count the same number, and their fences strictly increase") {
    check_counting(*this, "lock", rounds(500));
  }

  TEST_CASE_FIXTURE(OneCache, "four processes under a re-entrant lock never count the same number either") {
    check_counting(*this, "rlock", rounds(500));
  }

  TEST_CASE_FIXTURE(OneCache, "another process's lock is seen with its holder, and kept out of") {
    Worker worker = shell(path());
    const std::string answer = worker.ask("lock k");
    REQUIRE(answer.starts_with("held "));
    SyncLock lock(cache, "k");
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(lock.try_lock_for(20ms));
    CHECK(lock.release() == Release::not_owner);
    const Holder holder = lock.holder().value();
    CHECK(holder.pid == worker.pid());
    CHECK("held " + std::to_string(holder.fence) == answer);
    CHECK(holder.state == Liveness::alive);
    CHECK(holder.session == worker.ask("session"));
    CHECK(worker.ask("release k") == "released");
    CHECK(lock.try_lock());
    CHECK_FALSE(lock.previous_owner_died());
  }

  TEST_CASE_FIXTURE(OneCache,
                    "a killed holder's lock is taken over within a second, and the next one is told") {
    for (const char* kind : {"lock", "rlock"}) {
      for (int round = 0; round < 5; ++round) {
        Worker worker = shell(path());
        const std::string answer = worker.ask(std::string(kind) + " k");
        REQUIRE(answer.starts_with("held "));
        SyncLock lock(cache, "k");
        CHECK_FALSE(lock.try_lock());
        worker.kill();
        const auto killed = std::chrono::steady_clock::now();
        CHECK_FALSE(lock.locked());
        CHECK(locks(cache).at(0).holders.at(0).state == Liveness::dead);
        CHECK(lock.try_lock());
        CHECK(std::chrono::steady_clock::now() - killed < 1s);
        CHECK(lock.previous_owner_died());
        CHECK(lock.fence() > std::stoull(answer.substr(5)));
        CHECK(lock.release() == Release::released);
      }
    }
  }

  TEST_CASE_FIXTURE(OneCache,
                    "whoever already waits for a holder that is killed gets the lock within a second") {
    Worker holder = shell(path());
    REQUIRE(holder.ask("lock k").starts_with("held"));
    Worker waiter = shell(path());
    waiter.say("lock k");
    CHECK(waiter.try_line(100ms) == std::nullopt);
    holder.kill();
    const auto answer = waiter.try_line(1s);
    REQUIRE(answer.has_value());
    CHECK(has(*answer, "died"));
  }

  TEST_CASE_FIXTURE(OneCache,
                    "a stopped waiter holds nobody up, and keeps its place through others' grants") {
    SyncLock lock(cache, "k");
    lock.lock();
    Worker waiter = shell(path());
    waiter.say("lock k");
    REQUIRE(eventually([&] { return locks(cache).at(0).waiters.size() == 1; }));
    waiter.signal(SIGSTOP);
    lock.unlock();
    for (int round = 0; round < 3; ++round) {
      lock.lock();
      lock.unlock();
      REQUIRE(locks(cache).size() == 1);
      CHECK(locks(cache).at(0).holders.empty());
      CHECK(locks(cache).at(0).waiters.at(0).pid == waiter.pid());
    }
    waiter.signal(SIGCONT);
    CHECK(waiter.line().starts_with("held"));
    CHECK(waiter.ask("release k") == "released");
    CHECK(locks(cache).empty());
  }

  TEST_CASE_FIXTURE(OneCache, "a holder that has ended without unlocking is taken over, however it ended") {
    for (const char* end : {"exit", "quit"}) {
      CAPTURE(std::string(end));
      Worker worker = shell(path());
      REQUIRE(worker.ask("lock k").starts_with("held"));
      if (end == std::string("exit")) worker.say("exit");
      worker.wait();
      SyncLock lock(cache, "k");
      CHECK(lock.try_lock());
      // One that returned from main has released it by itself.
      CHECK(lock.previous_owner_died() == (end == std::string("exit")));
    }
  }

  TEST_CASE_FIXTURE(OneCache, "locks of static objects are given back when the program ends") {
    // Twice: what a cache needs is first used elsewhere where there is one already.
    for (int i = 0; i < 2; ++i) {
      CHECK(Worker({"statics", path()}).wait() == 0);
      CHECK(locks(cache).empty());
    }
  }

  TEST_CASE_FIXTURE(OneCache, "a stopped holder keeps its lock") {
    Worker worker = shell(path());
    REQUIRE(worker.ask("lock k").starts_with("held"));
    worker.signal(SIGSTOP);
    SyncLock lock(cache, "k", {.timeout = 300ms});
    CHECK_THROWS_AS(lock.lock(), Timeout);
    CHECK(clear_lock(cache, "k") == Cleared::refused);
    worker.signal(SIGCONT);
    CHECK(worker.ask("owned k") == "yes");
    CHECK(worker.ask("release k") == "released");
  }

  TEST_CASE_FIXTURE(OneCache,
                    "a stopped holder that asked for a lease loses it, and learns that when it goes on") {
    Worker worker = shell(path());
    REQUIRE(worker.ask("lock k 100").starts_with("held"));
    worker.signal(SIGSTOP);
    SyncLock lock(cache, "k");
    lock.lock();
    CHECK(lock.previous_owner_died());
    worker.signal(SIGCONT);
    CHECK(worker.ask("owned k") == "no");
    CHECK(worker.ask("lost k") == "yes");
    CHECK(worker.ask("release k") == "lost");
    CHECK(lock.owned());
  }

  TEST_CASE_FIXTURE(OneCache, "a stopped holder whose lease ended cannot write over its successor's work") {
    Worker worker = shell(path());
    REQUIRE(worker.ask("lock k 100").starts_with("held"));
    CHECK(worker.ask("guarded k report first") == "ok");
    worker.signal(SIGSTOP);
    SyncLock lock(cache, "k");
    lock.lock();
    cache.set("report", "second", {.guard = lock});
    worker.signal(SIGCONT);
    CHECK(worker.ask("guarded k report late").starts_with("LockLost: "));
    CHECK(cache.get("report") == "second");
  }

  TEST_CASE_FIXTURE(OneCache, "the levels of a killed process are gone as a whole") {
    Worker worker = shell(path());
    for (int i = 0; i < 3; ++i) REQUIRE(worker.ask("rlock k").starts_with("held"));
    CHECK(locks(cache).at(0).holders.at(0).count == 3);
    worker.kill();
    SyncRLock lock(cache, "k");
    CHECK(lock.try_lock());
    CHECK(lock.holder()->count == 1);
  }

  TEST_CASE_FIXTURE(OneCache, "a dead holder's lock is cleared without force, and is listed until then") {
    Worker worker = shell(path());
    REQUIRE(worker.ask("lock k").starts_with("held"));
    worker.kill();
    CHECK(locks(cache).size() == 1);
    CHECK(clear_lock(cache, "k") == Cleared::cleared);
    CHECK(locks(cache).empty());
  }

  TEST_CASE_FIXTURE(OneCache,
                    "the parent's cache and locks are Forked in a child, whose end releases nothing") {
    Worker worker({"fork", "inherited", path()});
    for (const char* call : {"get", "set", "transact", "entries", "lock", "release", "owned"}) {
      CHECK(worker.line() == std::string(call) + " Forked");
    }
    CHECK(worker.line() == "child ended with 0");
    CHECK(worker.line() == "still owned");
    SyncLock lock(cache, "lock");
    CHECK_FALSE(lock.try_lock());
    CHECK(cache.get("k") == "v");
    CHECK(worker.ask("go on") == "released");
    CHECK(worker.wait() == 0);
    CHECK(lock.try_lock());
  }

  TEST_CASE_FIXTURE(OneCache, "a forked child that opens the directory again is a process like any other") {
    CHECK(run_worker({"fork", "reopened", path()}) ==
          std::vector<std::string>{"sees 1", "busy", "took its own", "child ended with 0", "sees 2",
                                   "still owned", "the child's lock is free"});
    CHECK(integrity(dir / "cache") == "ok");
  }

  TEST_CASE_FIXTURE(OneCache, "a forked child works on when its parent ends and others open and write") {
    { const Cache closed = std::move(cache); }
    Worker worker({"fork", "orphan", path()});
    REQUIRE(worker.line() == "orphan");
    worker.say("work");
    REQUIRE(eventually([&] { return Cache(path()).contains("child0"); }, 60s));
    constexpr int kOthers = 40;
    for (int round = 0; round < kOthers; ++round) {
      // Nobody but the child has the cache open now; whoever opens it must not take it for abandoned.
      Cache other(path());
      const std::string key = "other" + std::to_string(round);
      other.set(key, key);
      CHECK(other.get(key) == key);
    }
    const int written = std::stoi(worker.ask("stop"));
    CHECK(written > 0);
    CHECK(worker.ask("other0") == "other0");
    CHECK(worker.ask("absent") == "nothing");
    worker.kill();
    const Cache after(path());
    int missing = 0;
    for (int i = 0; i < written; ++i) {
      if (after.get("child" + std::to_string(i)) != std::to_string(i)) ++missing;
    }
    for (int i = 0; i < kOthers; ++i) {
      if (!after.contains("other" + std::to_string(i))) ++missing;
    }
    CHECK(missing == 0);
    CHECK(after.size() == static_cast<std::uint64_t>(written + kOthers + 2));
    CHECK(integrity(dir / "cache") == "ok");
  }

  TEST_CASE_FIXTURE(
      OneCache,
      "a child that was forked amid a transaction of another thread can write later, or is told why not") {
    const std::vector<std::string> lines = run_worker({"fork", "amid", path()});
    REQUIRE(lines.size() == 3);
    CAPTURE(lines[0]);
    CHECK((lines[0] == "child fine" || lines[0] == "child Forked"));
    CHECK(lines[1] == "child ended with 0");
    CHECK(lines[2] == (lines[0] == "child fine" ? "sees 2" : "sees nothing"));
    CHECK(integrity(dir / "cache") == "ok");
  }
}
