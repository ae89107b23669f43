// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <thread>

#include "async/coroutines.hpp"
#include "conformance/engines.hpp"
#include "support/asleep.hpp"

namespace {

/// A factory that takes its time without a thread.
auto slowly(int& runs, std::string value, std::chrono::milliseconds time = 30ms) {
  return [&runs, value = std::move(value), time]() -> asio::awaitable<std::string> {
    ++runs;
    const std::string made = value;
    co_await pause(time);
    co_return made;
  };
}

/// A factory that has its value when the gate is opened.
auto behind(Gate& gate, int& runs, std::string value) {
  return [&gate, &runs, value = std::move(value)]() -> asio::awaitable<std::string> {
    ++runs;
    const std::string made = value;
    co_await gate.pass();
    co_return made;
  };
}

/// That nobody computes the key any more.
bool nobody_computes(Cache& cache, const char* key) {
  return eventually([&] { return computation(cache, key) != Computation::running; });
}

}  // namespace

ENGINE_TEST("what is not there is computed, stored and then found, without the factory") {
  const GetOrSetOptions options{.expire = 1h, .tags = {"t"}};  // g++ 12 cannot have this list in a coroutine
  await([&]() -> Task {
    int runs = 0;
    const auto make = [&] { return ++runs * 10; };
    CHECK(co_await async_get_or_set(cache, "n", make, options, use_awaitable) == 10);
    CHECK(co_await async_get_or_set(cache, "n", make, {}, use_awaitable) == 10);
    CHECK(runs == 1);
    CHECK(cache.entry("n")->expires);
    CHECK(cache.entry("n")->tags == std::vector<std::string>{"t"});
    CHECK(co_await async_get_or_set(cache, "s", slowly(runs, "slow"), {}, use_awaitable) == "slow");
    CHECK(co_await async_get_or_set(cache, "s", slowly(runs, "other"), {}, use_awaitable) == "slow");
    CHECK(runs == 2);
    CHECK(locks(cache).empty());
  });
  CHECK(async_get_or_set(
            cache, "n", [] { return 0; }, {}, asio::use_future)
            .get() == 10);
  CHECK(async_get_or_set(
            cache, "f", [] { return std::string("x"); }, {}, asio::use_future)
            .get() == "x");
}

ENGINE_TEST("of many coroutines that miss a key one computes, all have its result, and others go on") {
  Coroutines all;
  Gate gate(all);
  int runs = 0;
  int done = 0;
  int ticks = 0;
  for (int i = 0; i < 50; ++i) {
    all.start([&]() -> Task {
      CHECK(co_await async_get_or_set(cache, "k", behind(gate, runs, "v"), {}, use_awaitable) == "v");
      ++done;
    });
  }
  all.start([&]() -> Task {
    for (; ticks < 20; ++ticks) co_await pause(1ms);
    CHECK(done == 0);
    gate.open();
  });
  all.run();
  CHECK(runs == 1);
  CHECK(done == 50);
  CHECK(ticks == 20);
}

ENGINE_TEST("an ordinary factory runs on the executor of the call") {
  asio::thread_pool pool(1);
  std::thread::id pool_thread;
  asio::post(pool, [&] { pool_thread = std::this_thread::get_id(); });
  std::thread::id ran;
  std::string got;
  async_get_or_set(
      cache, "k",
      [&] {
        ran = std::this_thread::get_id();
        return std::string("v");
      },
      {}, asio::bind_executor(pool, [&](std::exception_ptr error, std::string value) {
        CHECK(!error);
        got = std::move(value);
      }));
  pool.join();
  CHECK(got == "v");
  CHECK(ran == pool_thread);
}

ENGINE_TEST(
    "a factory that throws or has nothing stores nothing, its caller is told, and the next computes") {
  await([this]() -> Task {
    const auto fails = []() -> std::string { throw std::runtime_error("no luck"); };
    const auto fails_later = []() -> asio::awaitable<std::string> {
      co_await pause(5ms);
      throw std::runtime_error("no luck later");
    };
    const auto nothing = []() -> std::optional<int> { return std::nullopt; };
    const auto nothing_later = []() -> asio::awaitable<std::optional<int>> { co_return std::nullopt; };
    CHECK(co_await thrown_by<std::runtime_error>(async_get_or_set(cache, "k", fails, {}, use_awaitable)) ==
          "no luck");
    CHECK(co_await thrown_by<std::runtime_error>(
              async_get_or_set(cache, "k", fails_later, {}, use_awaitable)) == "no luck later");
    CHECK(!co_await async_get_or_set(cache, "k", nothing, {}, use_awaitable));
    CHECK(!co_await async_get_or_set(cache, "k", nothing_later, {}, use_awaitable));
    CHECK(!cache.contains("k"));
    CHECK(locks(cache).empty());
    CHECK(co_await async_get_or_set(
              cache, "k", [] { return std::optional<int>(7); }, {}, use_awaitable) == 7);
  });
}

ENGINE_TEST("a coroutine that has computed a value wakes all who wait for it, once they can have it") {
  const auto plainly = [] { return std::string("v"); };
  int runs = 0;
  Coroutines all;
  for (const std::string key : {"slow", "plain"}) {
    Asleep asleep(cache, "get_or_set:" + key);
    all.start([&]() -> Task {
      if (key == "slow") {
        CHECK(co_await async_get_or_set(cache, key, slowly(runs, "v"), {}, use_awaitable) == "v");
      } else {
        CHECK(co_await async_get_or_set(cache, key, plainly, {}, use_awaitable) == "v");
      }
    });
    all.run();
    CHECK(asleep.until_woken([&] { return cache.get(key); }) == "v");
  }
}

ENGINE_TEST("of those who wait another one computes when the factory throws") {
  Coroutines all;
  int runs = 0;
  int failed = 0;
  int got = 0;
  for (int i = 0; i < 5; ++i) {
    all.start([&]() -> Task {
      const auto make = [&]() -> asio::awaitable<std::string> {
        const bool first = runs++ == 0;
        co_await pause(30ms);
        if (first) throw std::runtime_error("no luck");
        co_return "v";
      };
      try {
        const std::string value = co_await async_get_or_set(cache, "k", make, {}, use_awaitable);
        CHECK(value == "v");
        ++got;
      } catch (const std::runtime_error&) {
        ++failed;
      }
    });
  }
  all.run();
  CHECK(runs == 2);
  CHECK(failed == 1);
  CHECK(got == 4);
}

ENGINE_TEST("what cannot be is an error of the call: options, types, its own key, a transaction") {
  await([this]() -> Task {
    const auto make = [] { return 1; };
    CHECK(has(co_await thrown_by<InvalidArgument>(
                  async_get_or_set(cache, "k", make, {.stale_ok = 1s}, use_awaitable)),
              "needs an expire"));
    const std::string long_key(5000, 'k');
    CHECK(has(co_await thrown_by<InvalidArgument>(async_get_or_set(cache, long_key, make, {}, use_awaitable)),
              "key"));
    cache.set("text", "no number");
    CHECK(has(co_await thrown_by<WrongType>(async_get_or_set(cache, "text", make, {}, use_awaitable)),
              "'text'"));
    CHECK(has(co_await thrown_by<AlreadyExists>(
                  async_get_or_set(cache, "text", make, {.if_present = IfPresent::fail}, use_awaitable)),
              "already"));
    std::future<int> inner;
    const auto asks_itself = [&] {
      inner = async_get_or_set(cache, "self", make, {}, asio::use_future);
      return 5;
    };
    CHECK(co_await async_get_or_set(cache, "self", asks_itself, {}, use_awaitable) == 5);
    CHECK(has(thrown<Deadlock>([&] { inner.get(); }), "its own factory"));
  });
  std::future<int> inside;
  cache.transact([&](Transaction&) {
    inside = async_get_or_set(
        cache, "k", [] { return 1; }, {}, asio::use_future);
  });
  CHECK_THROWS_AS(inside.get(), Misuse);
  CHECK(!cache.contains("k"));
}

ENGINE_TEST("one who waits for a computation times out, or is cancelled, and the computation goes on") {
  Coroutines all;
  Gate gate(all);
  int runs = 0;
  bool computed = false;
  bool timed_out = false;
  int cancelled = 0;
  all.start([&]() -> Task {
    CHECK(co_await async_get_or_set(cache, "k", behind(gate, runs, "v"), {}, use_awaitable) == "v");
    computed = true;
  });
  REQUIRE(all.run_until([&] { return runs == 1; }));
  all.start([&]() -> Task {
    const GetOrSetOptions options{.timeout = 30ms};
    CHECK(has(
        co_await thrown_by<Timeout>(async_get_or_set(cache, "k", slowly(runs, "w"), options, use_awaitable)),
        "held by"));
    timed_out = true;
  });
  // The first and the second of those who wait do so in different ways.
  for (int i = 0; i < 2; ++i) {
    all.start([&]() -> Task {
      const auto text = co_await thrown_by<Cancelled>(
          async_get_or_set(cache, "k", slowly(runs, "w"), {.timeout = 60s}, use_awaitable));
      CHECK(has(text, "get_or_set of 'k'"));
      ++cancelled;
    });
    all.run_until([] { return false; }, 20ms);
    all.cancel();
    CHECK(all.run_until([&] { return cancelled == i + 1; }));
  }
  CHECK(all.run_until([&] { return timed_out; }));
  CHECK(!computed);
  gate.open();
  all.run();
  CHECK(computed);
  CHECK(runs == 1);
  CHECK(nobody_computes(cache, "k"));
}

ENGINE_TEST("cancelling one who computes cancels its factory, and the next one computes") {
  Coroutines all;
  int runs = 0;
  bool got = false;
  all.start([&]() -> Task {
    CHECK(co_await thrown_by<asio::system_error>(
              async_get_or_set(cache, "k", slowly(runs, "never", 60s), {}, use_awaitable)) != "");
  });
  REQUIRE(all.run_until([&] { return runs == 1; }));
  all.cancel();
  all.start([&]() -> Task {
    CHECK(co_await async_get_or_set(cache, "k", slowly(runs, "v"), {}, use_awaitable) == "v");
    got = true;
  });
  all.run();
  CHECK(got);
  CHECK(runs == 2);
}

ENGINE_TEST("an io_context that is destroyed in the middle of a computation leaves it to others") {
  int runs = 0;
  {
    Coroutines all;
    for (int i = 0; i < 4; ++i) {
      all.start([&]() -> Task {
        static_cast<void>(
            co_await async_get_or_set(cache, "k", slowly(runs, "never", 60s), {}, use_awaitable));
        FAIL_CHECK("resumed");
      });
    }
    REQUIRE(all.run_until([&] { return runs == 1; }));
    all.run_until([] { return false; }, 20ms);
    CHECK(computation(cache, "k") == Computation::running);
  }
  CHECK(nobody_computes(cache, "k"));
  await([&]() -> Task {
    CHECK(co_await async_get_or_set(cache, "k", slowly(runs, "v"), {}, use_awaitable) == "v");
  });
  CHECK(runs == 2);
}

ENGINE_TEST("a computation that was given to an executor that stands still goes to another one") {
  asio::io_context still;
  int runs = 0;
  std::string late;
  async_get_or_set(
      cache, "k", [&] { return ++runs, std::string("late"); }, {},
      asio::bind_executor(still, [&](std::exception_ptr error, std::string value) {
        CHECK(!error);
        late = std::move(value);
      }));
  CHECK(computation(cache, "k") == Computation::running);
  CHECK(cache.get_or_set("k", [] { return std::string("v"); }, {.timeout = 60s}) == "v");
  still.run();
  CHECK(late == "v");
  CHECK(runs == 0);
}

ENGINE_TEST("a stale value is given at once to all but the one who computes it anew") {
  Coroutines all;
  Gate gate(all);
  int runs = 0;
  const GetOrSetOptions options{.expire = 10ms, .stale_ok = 1h};
  await([&]() -> Task {
    CHECK(co_await async_get_or_set(cache, "k", slowly(runs, "old", 1ms), options, use_awaitable) == "old");
  });
  std::this_thread::sleep_for(20ms);
  std::string first;
  all.start([&]() -> Task {
    first = co_await async_get_or_set(cache, "k", behind(gate, runs, "new"), options, use_awaitable);
  });
  REQUIRE(all.run_until([&] { return runs == 2; }));
  all.start([&]() -> Task {
    CHECK(co_await async_get_or_set(cache, "k", slowly(runs, "x"), options, use_awaitable) == "old");
    CHECK(first.empty());
    gate.open();
  });
  all.run();
  CHECK(first == "new");
  CHECK(runs == 2);
}
