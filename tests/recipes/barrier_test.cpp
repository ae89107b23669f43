// SPDX-License-Identifier: Apache-2.0
#include "dcache/barrier.hpp"

#include <future>
#include <vector>

#include "conformance/engines.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

ENGINE_TEST("threads wait until all have come, round after round, and one is the last") {
  constexpr int kParties = 3;
  constexpr int kRounds = 5;
  std::atomic<int> come = 0;
  std::atomic<int> last = 0;
  std::vector<std::future<void>> threads;
  for (int i = 0; i < kParties; ++i) {
    threads.push_back(std::async(std::launch::async, [&] {
      Barrier barrier(cache, "k", kParties);
      for (int round = 1; round <= kRounds; ++round) {
        ++come;
        if (barrier.arrive_and_wait(20s)) ++last;
        CHECK(come >= round * kParties);
      }
    }));
  }
  for (auto& thread : threads) thread.get();
  CHECK(last == kRounds);
  CHECK(locks(cache).empty());
}

ENGINE_TEST("who gives up waiting has not come") {
  Barrier barrier(cache, "k", 2);
  CHECK(has(thrown<Timeout>([&] { barrier.arrive_and_wait(10ms); }), "'k'"));
  CHECK_THROWS_AS(barrier.arrive_and_wait(0s), Timeout);
  CHECK(barrier.waiting() == 0);
  auto other = std::async(std::launch::async, [&] { return Barrier(cache, "k", 2).arrive_and_wait(20s); });
  REQUIRE(eventually([&] { return barrier.waiting() == 1; }));
  CHECK(barrier.arrive_and_wait());
  CHECK_FALSE(other.get());
}

ENGINE_TEST("a barrier for one lets it through, and one for none is refused") {
  Barrier barrier(cache, "k", 1);
  CHECK(barrier.arrive_and_wait(0s));
  CHECK(barrier.arrive_and_wait(0s));
  CHECK_THROWS_AS(Barrier(cache, "k", 0), InvalidArgument);
}

ENGINE_TEST("two who name different numbers are told when they meet") {
  auto other = std::async(std::launch::async, [&] { return Barrier(cache, "k", 2).arrive_and_wait(20s); });
  Barrier two(cache, "k", 2);
  REQUIRE(eventually([&] { return two.waiting() == 1; }));
  CHECK_THROWS_AS(Barrier(cache, "k", 3).arrive_and_wait(20s), InvalidArgument);
  CHECK(two.arrive_and_wait());
  CHECK_FALSE(other.get());
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "processes wait for each other, round after round") {
    std::vector<Worker> workers;
    for (int i = 0; i < 4; ++i) {
      workers.push_back(Worker({"recipes", path()}));
      REQUIRE(workers.back().line() == "ready");
    }
    const int times = rounds(20);
    for (Worker& worker : workers) worker.say("barrier k 4 " + std::to_string(times));
    int last = 0;
    for (Worker& worker : workers) last += std::stoi(worker.line());
    CHECK(last == times);
  }

  TEST_CASE_FIXTURE(OneCache, "a process that is killed while it waits has not come") {
    Worker doomed({"recipes", path()});
    REQUIRE(doomed.line() == "ready");
    doomed.say("barrier k 2 1");
    Barrier barrier(cache, "k", 2);
    REQUIRE(eventually([&] { return barrier.waiting() == 1; }));
    doomed.kill();
    CHECK(barrier.waiting() == 0);
    CHECK_THROWS_AS(barrier.arrive_and_wait(50ms), Timeout);
    auto other = std::async(std::launch::async, [&] { return Barrier(cache, "k", 2).arrive_and_wait(20s); });
    REQUIRE(eventually([&] { return barrier.waiting() == 1; }));
    CHECK(barrier.arrive_and_wait());
    CHECK_FALSE(other.get());
  }
}
