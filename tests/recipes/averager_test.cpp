// SPDX-License-Identifier: Apache-2.0
#include "dcache/averager.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "conformance/engines.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

ENGINE_TEST("an averager gives the mean of what was added, and begins anew") {
  Averager averager(cache, "k");
  CHECK(averager.get() == std::nullopt);
  CHECK(averager.pop() == std::nullopt);
  averager.add(0.5);
  averager.add(-1);
  averager.add(3.5);
  CHECK(averager.get() == std::optional(1.0));
  CHECK(cache.get("k") == "[3,3]");
  CHECK(Averager(cache, "k").pop() == std::optional(1.0));
  CHECK(averager.get() == std::nullopt);
}

ENGINE_TEST("what has no mean is refused, and what is no sum is WrongType") {
  Averager averager(cache, "k");
  CHECK_THROWS_AS(averager.add(std::nan("")), InvalidArgument);
  CHECK_THROWS_AS(averager.add(std::numeric_limits<double>::infinity()), InvalidArgument);
  for (const char* other : {"", "text", "[1]", "[1,2", "[1,0]", "[,]", "[1,2,3]", "[x,1]"}) {
    cache.set("k", other);
    CHECK_THROWS_AS(averager.add(1), WrongType);
    CHECK_THROWS_AS(static_cast<void>(averager.get()), WrongType);
    CHECK(cache.get("k") == other);
  }
}

ENGINE_TEST("a counter counts up and down, and begins anew") {
  Counter counter(cache, "k", {.tags = {"t"}});
  CHECK(counter.get() == 0);
  CHECK(counter.add() == 1);
  CHECK(counter.add(-5) == -4);
  CHECK(Counter(cache, "k").get() == -4);
  CHECK(cache.entry("k").value().tags == std::vector<std::string>{"t"});
  CHECK(counter.pop() == -4);
  CHECK(counter.pop() == 0);
  cache.set("k", "text");
  CHECK_THROWS_AS(counter.add(), WrongType);
  CHECK_THROWS_AS(static_cast<void>(counter.get()), WrongType);
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "no number is lost when several processes add to one average") {
    std::vector<Worker> workers;
    for (int i = 0; i < 4; ++i) {
      workers.push_back(Worker({"recipes", path()}));
      REQUIRE(workers.back().line() == "ready");
    }
    for (std::size_t i = 0; i < workers.size(); ++i) {
      workers[i].say("average k " + std::to_string(100 * i) + ' ' + std::to_string(100 * (i + 1)));
    }
    for (Worker& worker : workers) CHECK(worker.line() == "ok");
    CHECK(cache.get("k") == "[79800,400]");
    CHECK(Averager(cache, "k").get() == std::optional(199.5));
  }
}
