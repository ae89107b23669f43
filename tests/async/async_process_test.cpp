// SPDX-License-Identifier: Apache-2.0
//
// Coroutines of this process beside other processes.
#include <csignal>
#include <fstream>

#include "async/coroutines.hpp"
#include "support/worker.hpp"

namespace {

Worker recipes_worker(const OneCache& one) {
  Worker worker({"recipes", one.path()});
  REQUIRE(worker.line() == "ready");
  return worker;
}

}  // namespace

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "a coroutine gets the lock of a process that was killed, and is told") {
    Worker holder = shell(path());
    REQUIRE(holder.ask("lock k").starts_with("held"));
    Coroutines all;
    bool got = false;
    all.start([&]() -> Task {
      SyncLock lock(cache, "k", {.timeout = 60s});
      co_await async_lock(lock, use_awaitable);
      CHECK(lock.previous_owner_died());
      got = true;
    });
    REQUIRE(all.run_until([&] { return waiting(cache) == 1; }));
    all.run_until([] { return false; }, 20ms);
    CHECK(!got);
    holder.kill();
    CHECK(all.run_until([&] { return got; }));
  }

  TEST_CASE_FIXTURE(OneCache,
                    "a coroutine that is cancelled at the head of the queue leaves others unharmed") {
    Worker holder = shell(path());
    const std::string held = holder.ask("lock k");
    Coroutines all;
    bool cancelled = false;
    bool got = false;
    all.start([&]() -> Task {
      SyncLock lock(cache, "k", {.timeout = 60s});
      CHECK(has(co_await thrown_by<Cancelled>(async_lock(lock, use_awaitable)), "lock 'k'"));
      cancelled = true;
    });
    REQUIRE(all.run_until([&] { return waiting(cache) == 1; }));
    Worker next = shell(path());
    next.say("lock k");
    REQUIRE(eventually([&] { return waiting(cache) == 2; }));
    all.cancel();
    CHECK(all.run_until([&] { return cancelled; }));
    all.start([&]() -> Task {
      SyncLock lock(cache, "k", {.timeout = 60s});
      co_await async_lock(lock, use_awaitable);
      got = true;
      co_await async_unlock(lock, use_awaitable);
    });
    all.run_until([] { return false; }, 20ms);
    CHECK(holder.ask("owned k") == "yes");
    CHECK(holder.ask("release k") == "released");
    const std::string after = next.line(10s);
    CHECK(after.starts_with("held"));
    CHECK(!has(after, "died"));
    CHECK(!got);
    CHECK(next.ask("release k") == "released");
    all.run();
    CHECK(got);
  }

  TEST_CASE_FIXTURE(OneCache,
                    "a process that waits is woken when a coroutine unlocks, or its process would") {
    Worker waiter = shell(path());
    await([&]() -> Task {
      SyncLock lock(cache, "k");
      co_await async_lock(lock, use_awaitable);
      waiter.say("lock k");
      CHECK(eventually([&] { return waiting(cache) == 1; }));
      CHECK(!waiter.try_line(20ms));
      co_await async_unlock(lock, use_awaitable);
      CHECK(waiter.line(10s).starts_with("held"));
    });
  }

  TEST_CASE_FIXTURE(OneCache, "coroutines and processes under one lock never count the same number") {
    const std::string file = (dir / "number").native();
    std::ofstream(file) << 0;
    const int times = rounds(100);
    std::vector<Worker> workers;
    for (int i = 0; i < 2; ++i) {
      workers.emplace_back(
          std::vector<std::string>{"count", path(), "k", "lock", file, std::to_string(times)});
    }
    Coroutines all;
    for (int i = 0; i < 4; ++i) {
      all.start([&]() -> Task {
        SyncLock lock(cache, "k", {.timeout = 5min});
        for (int j = 0; j < times; ++j) {
          co_await async_lock(lock, use_awaitable);
          std::int64_t number = 0;
          std::ifstream(file) >> number;
          co_await asio::post(use_awaitable);
          std::ofstream(file, std::ios::trunc) << number + 1 << std::flush;
          co_await async_unlock(lock, use_awaitable);
        }
      });
    }
    all.run();
    for (Worker& worker : workers) static_cast<void>(worker.rest());
    std::int64_t number = 0;
    std::ifstream(file) >> number;
    CHECK(number == 6 * times);
  }

  TEST_CASE_FIXTURE(OneCache,
                    "a wait that is stopped with its process is passed over, and goes on after it") {
    Worker holder = shell(path());
    REQUIRE(holder.ask("lock k").starts_with("held"));
    Worker stopped = shell(path());
    stopped.say("lock k");
    REQUIRE(eventually([&] { return waiting(cache) == 1; }));
    stopped.signal(SIGSTOP);
    Coroutines all;
    bool got = false;
    all.start([&]() -> Task {
      SyncLock lock(cache, "k", {.timeout = 60s});
      co_await async_lock(lock, use_awaitable);
      got = true;
      co_await async_unlock(lock, use_awaitable);
    });
    REQUIRE(all.run_until([&] { return waiting(cache) == 2; }));
    CHECK(holder.ask("release k") == "released");
    all.run();
    CHECK(got);
    stopped.signal(SIGCONT);
    CHECK(stopped.line(10s).starts_with("held"));
  }

  TEST_CASE_FIXTURE(OneCache,
                    "coroutines have what another process computes, and compute it when that is killed") {
    for (const bool killed : {false, true}) {
      const std::string key = killed ? "killed" : "done";
      Worker worker = recipes_worker(*this);
      worker.say("get_or_set " + key + (killed ? " 60000 never" : " 200 theirs"));
      REQUIRE(worker.line() == "computing");
      Coroutines all;
      int got = 0;
      int runs = 0;
      for (int i = 0; i < 8; ++i) {
        all.start([&]() -> Task {
          const auto make = [&]() -> asio::awaitable<std::string> {
            ++runs;
            co_await pause(10ms);
            co_return "ours";
          };
          const GetOrSetOptions options{.timeout = 60s};
          const std::string value = co_await async_get_or_set(cache, key, make, options, use_awaitable);
          CHECK(value == (killed ? "ours" : "theirs"));
          ++got;
        });
      }
      all.run_until([] { return false; }, 50ms);
      CHECK((got == 0 || cache.contains(key)));
      if (killed) worker.kill();
      all.run();
      CHECK(got == 8);
      CHECK(runs == (killed ? 1 : 0));
    }
  }
}
