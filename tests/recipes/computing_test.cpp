// SPDX-License-Identifier: Apache-2.0
//
// get_or_set between processes.
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "dcache/get_or_set.hpp"
#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

namespace {

Worker recipes_shell(const OneCache& one) {
  Worker worker({"recipes", one.path()});
  REQUIRE(worker.line() == "ready");
  return worker;
}

/// The value of an answer, without its time.
std::string value_of(const std::string& answer) { return answer.substr(0, answer.find(' ')); }

bool has_waiter(Cache& cache, const std::string& key) {
  const auto all = locks(cache, {.prefix = "get_or_set:" + key});
  return all.size() == 1 && all.front().waiters.size() == 1;
}

}  // namespace

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "64 processes that miss one key at once run the factory once") {
    const int many = std::min(64, rounds(64));
    std::vector<Worker> workers;
    for (int i = 0; i < many; ++i) workers.push_back(recipes_shell(*this));
    for (Worker& worker : workers) worker.say("get_or_set k 300 v" + std::to_string(worker.pid()));
    std::string value;
    std::int64_t computed = 0;
    std::int64_t last = 0;
    for (Worker& worker : workers) {
      std::string line = worker.line();
      while (line.starts_with("comput")) {
        if (line != "computing") computed = std::stoll(line.substr(9));
        line = worker.line();
      }
      if (value.empty()) value = value_of(line);
      CHECK(value_of(line) == value);
      last = std::max<std::int64_t>(last, std::stoll(line.substr(line.find(' ') + 1)));
    }
    MESSAGE("the last one of " << many << " had it " << (last - computed) << " us after it was computed");
    CHECK(cache.get("runs:k") == "1");
    CHECK(cache.get("k") == value);
    CHECK(locks(cache).empty());
  }

  TEST_CASE_FIXTURE(OneCache, "when the computing process is killed, another one computes") {
    Worker doomed = recipes_shell(*this);
    doomed.say("get_or_set k 60000 never");
    REQUIRE(doomed.line() == "computing");
    std::vector<Worker> workers;
    for (int i = 0; i < 3; ++i) {
      workers.push_back(recipes_shell(*this));
      workers.back().say("get_or_set k 50 v");
    }
    REQUIRE(eventually([&] { return has_waiter(cache, "k"); }));
    std::this_thread::sleep_for(50ms);
    CHECK(computation(cache, "k") == Computation::running);
    doomed.kill();
    for (Worker& worker : workers) {
      std::string line = worker.line(10s);
      while (line.starts_with("comput")) line = worker.line(10s);
      CHECK(value_of(line) == "v");
    }
    CHECK(cache.get("runs:k") == "2");
  }

  TEST_CASE_FIXTURE(OneCache, "when the first who waits has gone on to compute, another is the first") {
    Worker doomed = recipes_shell(*this);
    doomed.say("get_or_set k 60000 never");
    REQUIRE(doomed.line() == "computing");
    Worker second = recipes_shell(*this);
    second.say("get_or_set k 60000 never");
    REQUIRE(eventually([&] { return has_waiter(cache, "k"); }));
    Worker third = recipes_shell(*this);
    third.say("get_or_set k 0 v");
    std::this_thread::sleep_for(50ms);
    doomed.kill();
    REQUIRE(second.line(10s) == "computing");
    CHECK(eventually([&] { return has_waiter(cache, "k"); }));
    second.kill();
    CHECK(third.line(10s) == "computing");
    CHECK(third.line().starts_with("computed"));
    CHECK(value_of(third.line()) == "v");
    CHECK(cache.get("runs:k") == "3");
  }

  TEST_CASE_FIXTURE(OneCache, "when the first who waits is stopped, another one takes over from the dead") {
    Worker doomed = recipes_shell(*this);
    doomed.say("get_or_set k 60000 never");
    REQUIRE(doomed.line() == "computing");
    Worker stopped = recipes_shell(*this);
    stopped.say("get_or_set k 0 late");
    REQUIRE(eventually([&] { return has_waiter(cache, "k"); }));
    stopped.signal(SIGSTOP);
    Worker next = recipes_shell(*this);
    next.say("get_or_set k 0 v");
    std::this_thread::sleep_for(20ms);
    doomed.kill();
    CHECK(next.line(10s) == "computing");
    CHECK(next.line().starts_with("computed"));
    CHECK(value_of(next.line()) == "v");
    stopped.signal(SIGCONT);
    CHECK(value_of(stopped.line()) == "v");
    CHECK(cache.get("runs:k") == "2");
  }

  TEST_CASE_FIXTURE(OneCache, "when the computing process's factory throws, another process computes") {
    Worker unlucky = recipes_shell(*this);
    unlucky.say("get_or_set k 200 throw");
    REQUIRE(unlucky.line() == "computing");
    Worker next = recipes_shell(*this);
    next.say("get_or_set k 0 v");
    CHECK(next.line() == "computing");
    CHECK(next.line().starts_with("computed"));
    CHECK(value_of(next.line()) == "v");
    CHECK(unlucky.line().starts_with("computed"));
    CHECK(unlucky.line() == "exception: no luck");
    CHECK(cache.get("k") == "v");
  }

  TEST_CASE_FIXTURE(OneCache, "a process stopped in its factory is taken over after max_hold, and refused") {
    Worker stopped = recipes_shell(*this);
    stopped.say("get_or_set k 10 late hold=100");
    REQUIRE(stopped.line() == "computing");
    stopped.signal(SIGSTOP);
    Worker next = recipes_shell(*this);
    next.say("get_or_set k 0 newer hold=100");
    CHECK(next.line() == "computing");
    CHECK(next.line().starts_with("computed"));
    CHECK(value_of(next.line()) == "newer");
    stopped.signal(SIGCONT);
    CHECK(stopped.line().starts_with("computed"));
    CHECK(stopped.line().starts_with("LockLost: get_or_set of 'k'"));
    CHECK(cache.get("k") == "newer");
  }

  TEST_CASE_FIXTURE(OneCache, "a process stopped in its factory without max_hold is waited for") {
    Worker stopped = recipes_shell(*this);
    stopped.say("get_or_set k 10 v");
    REQUIRE(stopped.line() == "computing");
    stopped.signal(SIGSTOP);
    Worker next = recipes_shell(*this);
    CHECK(next.ask("get_or_set k 0 w timeout=200").starts_with("Timeout: "));
    stopped.signal(SIGCONT);
    CHECK(stopped.line().starts_with("computed"));
    CHECK(value_of(stopped.line()) == "v");
    CHECK(cache.get("runs:k") == "1");
  }

  TEST_CASE_FIXTURE(OneCache, "a stale value is given to other processes while one refreshes it") {
    cache.set("k", "old", {.expire = 1min});
    Worker first = recipes_shell(*this);
    first.say("get_or_set k 60000 new expire=3600000 stale=600000");
    REQUIRE(first.line() == "computing");
    Worker second = recipes_shell(*this);
    CHECK(value_of(second.ask("get_or_set k 0 other expire=3600000 stale=600000")) == "old");
    // One who is killed while it refreshes leaves that to the next.
    first.kill();
    second.say("get_or_set k 0 other expire=3600000 stale=600000");
    CHECK(second.line() == "computing");
    CHECK(second.line().starts_with("computed"));
    CHECK(value_of(second.line()) == "other");
  }
}
