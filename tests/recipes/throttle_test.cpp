// SPDX-License-Identifier: Apache-2.0
#include "dcache/throttle.hpp"

#include <vector>

#include "conformance/engines.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

namespace {

int burst(Throttle& bucket, int tries = 20) {
  int got = 0;
  for (int i = 0; i < tries; ++i) got += bucket.try_acquire() ? 1 : 0;
  return got;
}

}  // namespace

ENGINE_TEST("a bucket gives as many tokens as it holds, and then none") {
  Throttle bucket(cache, "k", 3, 1h);
  CHECK(bucket.wait_time(3) == Duration());
  CHECK(burst(bucket) == 3);
  CHECK(bucket.wait_time() > Duration(19min));
  CHECK(bucket.wait_time() <= Duration(20min));
  CHECK(bucket.wait_time(3) > Duration(59min));
  CHECK(cache.get("throttle:k").has_value());
}

ENGINE_TEST("making a throttle again does not fill the bucket") {
  for (int round = 0; round < 3; ++round) {
    Throttle bucket(cache, "k", 3, 1h);
    CHECK(burst(bucket) == (round == 0 ? 3 : 0));
    reopen();
  }
}

ENGINE_TEST("tokens come back one by one, and one may wait for them") {
  Throttle bucket(cache, "k", 10, 1s);
  CHECK(burst(bucket, 10) == 10);
  const auto start = std::chrono::steady_clock::now();
  bucket.acquire();
  bucket.acquire();
  // The first one of the burst is 100 ms old at least before the next is there.
  CHECK(std::chrono::steady_clock::now() - start > 90ms);
  CHECK(bucket.wait_time() > Duration());
}

ENGINE_TEST("a full bucket leaves nothing behind") {
  Throttle bucket(cache, "k", 1, 20ms);
  CHECK(bucket.try_acquire());
  CHECK(eventually([&] { return cache.size() == 0; }));
  CHECK(bucket.wait_time() == Duration());
}

ENGINE_TEST("several tokens are taken together or not at all") {
  Throttle bucket(cache, "k", 4, 1h);
  CHECK(bucket.try_acquire(3));
  CHECK_FALSE(bucket.try_acquire(2));
  CHECK(bucket.try_acquire(1));
  CHECK_THROWS_AS(static_cast<void>(bucket.try_acquire(5)), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(bucket.try_acquire(0)), InvalidArgument);
}

ENGINE_TEST("a wait that would be too long ends at once") {
  Throttle bucket(cache, "k", 1, 1h);
  CHECK(bucket.try_acquire_for(0s));
  CHECK_FALSE(bucket.try_acquire_for(1min));
  CHECK(has(thrown<Timeout>([&] { bucket.acquire(1min); }), "'k': at most 1 in 3600s"));
}

ENGINE_TEST("a throttle of nothing is refused") {
  CHECK(has(thrown<InvalidArgument>([&] { Throttle(cache, "k", 0, 1s); }), "at least 1"));
  CHECK_THROWS_AS(Throttle(cache, "k", -1, 1s), InvalidArgument);
  CHECK_THROWS_AS(Throttle(cache, "k", 1, 0s), InvalidArgument);
  CHECK_THROWS_AS(Throttle(cache, "k", 1, -1s), InvalidArgument);
  CHECK_THROWS_AS(Throttle(cache, "k", 1, forever), InvalidArgument);
  CHECK_THROWS_AS(Throttle(cache, "k", 1000, std::chrono::nanoseconds(999)), InvalidArgument);
}

ENGINE_TEST("a bucket from before the clock was set back is empty, not emptier") {
  Throttle bucket(cache, "k", 2, 1h);
  const auto later = Timestamp(std::chrono::system_clock::now() + 24h * 365);
  cache.set("throttle:k", std::to_string(later.unix_nanoseconds()));
  CHECK_FALSE(bucket.try_acquire());
  CHECK(bucket.wait_time() <= Duration(30min));
  cache.set("throttle:k", "garbage");
  CHECK_THROWS_AS(static_cast<void>(bucket.try_acquire()), WrongType);
}

ENGINE_TEST("a function with a throttle around it waits for a token, or gives up") {
  auto twice = throttle(
      cache, "k", 2, 1h, [](int n) { return 2 * n; }, 0s);
  CHECK(twice(1) == 2);
  CHECK(twice(2) == 4);
  CHECK_THROWS_AS(twice(3), Timeout);
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "several processes take no more than the bucket holds") {
    std::vector<Worker> workers;
    for (int i = 0; i < 4; ++i) {
      workers.push_back(Worker({"recipes", path()}));
      REQUIRE(workers.back().line() == "ready");
    }
    for (Worker& worker : workers) worker.say("throttle k 50 3600000 40");
    int got = 0;
    for (Worker& worker : workers) got += std::stoi(worker.line());
    CHECK(got == 50);
  }
}
