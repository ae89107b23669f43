// SPDX-License-Identifier: Apache-2.0
#include "dcache/once.hpp"

#include <atomic>
#include <future>
#include <stdexcept>
#include <vector>

#include "conformance/engines.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

ENGINE_TEST("once calls a function until it has succeeded, and says whether it was called here") {
  int calls = 0;
  const auto fails = [&] {
    ++calls;
    throw std::runtime_error("no");
  };
  CHECK_THROWS_AS(once(cache, "k", fails), std::runtime_error);
  CHECK(once(cache, "k", [&] { ++calls; }));
  CHECK_FALSE(once(cache, "k", fails));
  CHECK_FALSE(try_once(cache, "k", fails));
  CHECK(calls == 2);
  CHECK(once(cache, "other", [] { return 5; }) == std::optional(5));
  CHECK(once(cache, "other", [] { return 6; }) == std::nullopt);
}

ENGINE_TEST("that something was done once outlives clear, and can be forgotten") {
  CHECK(once(cache, "k", [] {}, {.label = "by me"}));
  cache.clear();
  reopen();
  CHECK_FALSE(once(cache, "k", [] {}));
  CHECK(locks(cache).at(0).key == "once:k");
  CHECK(locks(cache).at(0).holders.at(0).label == "by me");
  CHECK(forget_once(cache, "k"));
  CHECK_FALSE(forget_once(cache, "k"));
  CHECK(once(cache, "k", [] {}));
}

ENGINE_TEST("once_per does it again when the period is over") {
  CHECK(once_per(cache, "k", 1h, [] {}));
  CHECK_FALSE(once_per(cache, "k", 1h, [] {}));
  CHECK(once_per(cache, "short", 5ms, [] {}));
  CHECK(eventually([&] { return once_per(cache, "short", 5ms, [] {}); }));
  CHECK_THROWS_AS(once_per(cache, "k", 0s, [] {}), InvalidArgument);
  CHECK_THROWS_AS(once_per(cache, "k", -1h, [] {}), InvalidArgument);
  CHECK(once_per(cache, "ever", forever, [] {}));
  CHECK_FALSE(once_per(cache, "ever", forever, [] {}));
}

ENGINE_TEST("of many threads one does it, and the others wait until it is done") {
  std::atomic<int> begun = 0;
  std::atomic<int> ended = 0;
  std::vector<std::future<bool>> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(std::async(std::launch::async, [&] {
      const bool ran = once(cache, "k", [&] {
        ++begun;
        std::this_thread::sleep_for(30ms);
        ++ended;
      });
      CHECK(ended == 1);
      return ran;
    }));
  }
  int ran = 0;
  for (auto& thread : threads) ran += thread.get() ? 1 : 0;
  CHECK(ran == 1);
  CHECK(begun == 1);
}

ENGINE_TEST("try_once does not wait for one who is at it, and once at most its timeout") {
  CHECK(once(cache, "k", [&] {
    elsewhere([&] {
      CHECK_FALSE(try_once(cache, "k", [] {}));
      CHECK_THROWS_AS(once(cache, "k", [] {}, {.timeout = 10ms}), Timeout);
    });
  }));
}

ENGINE_TEST("one who takes longer than max_hold learns that another one began") {
  CHECK_THROWS_AS(once(cache, "k",
                       [&] {
                         std::this_thread::sleep_for(20ms);
                         elsewhere([&] { CHECK(once(cache, "k", [] {})); });
                       },
                       {.max_hold = 10ms}),
                  LockLost);
  CHECK_FALSE(once(cache, "k", [] {}));
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "of several processes one does it; if that is killed, the next one does") {
    std::vector<Worker> workers;
    for (int i = 0; i < 4; ++i) {
      workers.push_back(Worker({"recipes", path()}));
      REQUIRE(workers.back().line() == "ready");
    }
    workers[0].say("once k 60000");
    REQUIRE(workers[0].line() == "running");
    for (std::size_t i = 1; i < workers.size(); ++i) workers[i].say("once k 50");
    CHECK(workers[1].try_line(50ms) == std::nullopt);
    workers[0].kill();
    int ran = 0;
    for (std::size_t i = 1; i < workers.size(); ++i) {
      std::string line = workers[i].line();
      if (line == "running") line = workers[i].line();
      ran += line == "ran" ? 1 : 0;
    }
    CHECK(ran == 1);
    CHECK(cache.get("runs:k") == "2");
    // It stays done when all who know of it have ended.
    workers.clear();
    CHECK_FALSE(once(cache, "k", [] {}));
  }
}
