// SPDX-License-Identifier: Apache-2.0
//
// get_or_set within one process.
#include "dcache/get_or_set.hpp"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include "conformance/engines.hpp"
#include "dcache/json.hpp"
#include "dcache/lock.hpp"
#include "support/asleep.hpp"
#include "support/check.hpp"

namespace {

/// A factory that counts its calls and is done when told to.
struct Gate {
  std::atomic<int> calls = 0;
  std::promise<void> opened;
  std::shared_future<void> open = opened.get_future().share();

  auto factory(std::string value) {
    return [this, value] {
      ++calls;
      open.wait();
      return value;
    };
  }
};

struct Point {
  int x = 0;
  int y = 0;
};
void to_json(nlohmann::json& json, const Point& point) { json = {point.x, point.y}; }
void from_json(const nlohmann::json& json, Point& point) {
  point = {json.at(0).get<int>(), json.at(1).get<int>()};
}

std::string unwanted() { throw std::logic_error("this factory is not to be called"); }

/// So that the value of `key` has less than `left` to live.
void age(Cache& cache, ByteView key, Duration left) {
  const Entry entry = cache.entry(key).value();
  cache.set(key, entry.value, {.expire = left, .tags = entry.tags});
}

}  // namespace

ENGINE_TEST("a missing value is computed, stored and then found") {
  const std::string first = cache.get_or_set("k", [] { return "made"; }, {.expire = 1h, .tags = {"t"}});
  CHECK(first == "made");
  const Entry entry = cache.entry("k").value();
  CHECK(entry.value == "made");
  CHECK(entry.tags == std::vector<std::string>{"t"});
  CHECK(entry.expires.has_value());
  CHECK(get_or_set(cache, "k", unwanted) == "made");
  CHECK(computation(cache, "k") == Computation::done);
  CHECK(computation(cache, "other") == Computation::absent);
  CHECK(locks(cache).empty());
}

ENGINE_TEST("what a factory returns comes back as the same type") {
  for (int round = 0; round < 2; ++round) {
    CHECK(cache.get_or_set("int", [] { return -42; }) == -42);
    CHECK(cache.get_or_set("big", [] { return std::numeric_limits<std::uint64_t>::max(); }) ==
          std::numeric_limits<std::uint64_t>::max());
    CHECK(cache.get_or_set("double", [] { return 0.1; }) == 0.1);
    CHECK(cache.get_or_set("bool", [] { return true; }));
    CHECK(cache.get_or_set("bytes", [] {
      return std::vector<unsigned char>{1, 0, 255};
    }) == std::string("\1\0\xff", 3));
    CHECK(cache.get_or_set("empty", [] { return std::string(); }).empty());
    const auto point = cache.get_or_set("point", [] { return Point{3, 4}; });
    CHECK(point.y == 4);
    CHECK(cache.get_or_set("maybe", [] { return std::optional(7); }) == std::optional(7));
  }
  CHECK(cache.entry("int").value().format == Format::integer);
  CHECK(cache.entry("bytes").value().format == Format::bytes);
  CHECK(cache.get_json("point").value() == nlohmann::json{3, 4});
}

ENGINE_TEST("a stored value of another type is WrongType, and stays") {
  cache.set("k", "text");
  CHECK(has(thrown<WrongType>([&] { static_cast<void>(cache.get_or_set("k", [] { return 1; })); }), "'k'"));
  CHECK_THROWS_AS(static_cast<void>(cache.get_or_set("k", [] { return true; })), WrongType);
  CHECK_THROWS_AS(static_cast<void>(cache.get_or_set("k", [] { return Point{}; })), WrongType);
  CHECK(cache.get("k") == "text");
}

ENGINE_TEST("a factory that throws or has nothing stores nothing, and the next one computes") {
  CHECK_THROWS_AS(static_cast<void>(cache.get_or_set("k", unwanted)), std::logic_error);
  CHECK(computation(cache, "k") == Computation::absent);
  CHECK(locks(cache).empty());
  const auto nothing = cache.get_or_set("k", [] { return std::optional<std::string>(); });
  CHECK_FALSE(nothing.has_value());
  CHECK_FALSE(cache.contains("k"));
  CHECK(cache.get_or_set("k", [] { return "v"; }) == "v");
}

ENGINE_TEST("an error of the factory that looks like the cache's own is not taken for busy") {
  CHECK(thrown<Timeout>([&] {
          static_cast<void>(cache.get_or_set("k", []() -> std::string { throw Timeout("mine"); }));
        }) == "mine");
  CHECK(thrown<LockLost>([&] {
          static_cast<void>(cache.get_or_set("k", []() -> std::string { throw LockLost("mine"); }));
        }) == "mine");
}

ENGINE_TEST("of many threads that miss a key one computes and all get its result") {
  Gate gate;
  std::vector<std::future<std::string>> threads;
  for (int i = 0; i < 16; ++i) {
    threads.push_back(std::async(std::launch::async, [&, i] {
      return cache.get_or_set("k", gate.factory("of " + std::to_string(i)));
    }));
  }
  REQUIRE(eventually([&] { return gate.calls > 0; }));
  CHECK(computation(cache, "k") == Computation::running);
  std::this_thread::sleep_for(20ms);
  gate.opened.set_value();
  const std::string value = threads.front().get();
  for (std::size_t i = 1; i < threads.size(); ++i) CHECK(threads[i].get() == value);
  CHECK(gate.calls == 1);
  CHECK(cache.get("k") == value);
}

ENGINE_TEST("when the computing one fails, one of those who wait computes, and only that one") {
  std::atomic<int> calls = 0;
  std::vector<std::future<std::string>> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(std::async(std::launch::async, [&] {
      return cache.get_or_set("k", [&]() -> std::string {
        const int call = ++calls;
        std::this_thread::sleep_for(30ms);
        if (call == 1) throw std::runtime_error("first");
        return "second";
      });
    }));
  }
  int failed = 0;
  for (auto& thread : threads) {
    try {
      const std::string value = thread.get();
      CHECK(value == "second");
    } catch (const std::runtime_error& error) {
      CHECK(error.what() == std::string("first"));
      ++failed;
    }
  }
  CHECK(failed == 1);
  CHECK(calls == 2);
}

ENGINE_TEST("asking for the same key inside its own factory is an error, not a hang") {
  const auto again = [&] { return cache.get_or_set("k", unwanted); };
  CHECK(has(thrown<Deadlock>([&] { static_cast<void>(cache.get_or_set("k", again)); }), "'k'"));
  // Through another key's factory too; and the other keys are free to use.
  const auto around = [&] { return cache.get_or_set("other", again); };
  CHECK_THROWS_AS(static_cast<void>(cache.get_or_set("k", around)), Deadlock);
  CHECK(cache.get_or_set("k", [&] { return cache.get_or_set("other", [] { return "inner"; }); }) == "inner");
  CHECK(cache.get_or_set("k", unwanted) == "inner");
  CHECK(locks(cache).empty());
}

ENGINE_TEST("the same key of another cache may be asked for inside a factory") {
  Subject other = another();
  CHECK(cache.get_or_set("k", [&] { return other.cache.get_or_set("k", [] { return "v"; }); }) == "v");
}

ENGINE_TEST("one who waits longer than its timeout gets Timeout, and says so with max_tries") {
  Gate gate;
  auto computing = std::async(std::launch::async, [&] { return cache.get_or_set("k", gate.factory("v")); });
  REQUIRE(eventually([&] { return gate.calls == 1; }));
  const auto impatient = [&](const GetOrSetOptions& options) {
    return thrown<Timeout>([&] { static_cast<void>(cache.get_or_set("k", unwanted, options)); });
  };
  CHECK(has(impatient({.timeout = 20ms}), "get_or_set:k"));
  CHECK(has(impatient({.timeout = 0ms}), "get_or_set:k"));
  CHECK(has(impatient({.timeout = 1min, .max_tries = 2}), "2 tries"));
  gate.opened.set_value();
  CHECK(computing.get() == "v");
}

ENGINE_TEST("who has computed a value wakes all who wait for it, once they can have it") {
  Gate gate;
  auto computing = std::async(std::launch::async, [&] { return cache.get_or_set("k", gate.factory("v")); });
  REQUIRE(eventually([&] { return gate.calls == 1; }));
  Asleep asleep(cache, "get_or_set:k");
  gate.opened.set_value();
  CHECK(asleep.until_woken([&] { return cache.get("k"); }) == "v");
  CHECK(computing.get() == "v");
}

ENGINE_TEST("a computation that outlasts max_hold is taken over, and its late result refused") {
  Gate gate;
  const GetOrSetOptions options{.max_hold = 50ms};
  auto late =
      std::async(std::launch::async, [&] { return cache.get_or_set("k", gate.factory("late"), options); });
  REQUIRE(eventually([&] { return gate.calls == 1; }));
  CHECK(cache.get_or_set(
            "k", [] { return "newer"; }, options) == "newer");
  gate.opened.set_value();
  CHECK(has(thrown<LockLost>([&] { late.get(); }), "max_hold"));
  CHECK(cache.get("k") == "newer");
}

ENGINE_TEST("a late result is refused also while the one who took over still computes") {
  Gate slow;
  Gate slower;
  const GetOrSetOptions options{.max_hold = 50ms};
  auto late =
      std::async(std::launch::async, [&] { return cache.get_or_set("k", slow.factory("late"), options); });
  REQUIRE(eventually([&] { return slow.calls == 1; }));
  auto next = std::async(std::launch::async,
                         [&] { return cache.get_or_set("k", slower.factory("next"), {.max_hold = 1h}); });
  REQUIRE(eventually([&] { return slower.calls == 1; }));
  slow.opened.set_value();
  CHECK_THROWS_AS(late.get(), LockLost);
  CHECK_FALSE(cache.contains("k"));
  slower.opened.set_value();
  CHECK(next.get() == "next");
  CHECK(cache.get("k") == "next");
}

ENGINE_TEST("a computation that outlasts max_hold is stored all the same if nobody took over") {
  const auto slow = [] {
    std::this_thread::sleep_for(30ms);
    return "v";
  };
  CHECK(cache.get_or_set("k", slow, {.max_hold = 10ms}) == "v");
  CHECK(cache.get("k") == "v");
}

ENGINE_TEST("with if_present = fail a value that is there is an error, also one that was waited for") {
  const GetOrSetOptions fail{.if_present = IfPresent::fail};
  CHECK(cache.get_or_set(
            "k", [] { return "v"; }, fail) == "v");
  CHECK(has(thrown<AlreadyExists>([&] { static_cast<void>(cache.get_or_set("k", unwanted, fail)); }), "'k'"));
  Gate gate;
  auto computing =
      std::async(std::launch::async, [&] { return cache.get_or_set("other", gate.factory("v")); });
  REQUIRE(eventually([&] { return gate.calls == 1; }));
  auto waiting = std::async(std::launch::async, [&] { return cache.get_or_set("other", unwanted, fail); });
  REQUIRE(eventually([&] { return SyncLock(cache, "get_or_set-next:other").locked(); }));
  gate.opened.set_value();
  CHECK_THROWS_AS(waiting.get(), AlreadyExists);
}

ENGINE_TEST("a stale value is given to all but the one who refreshes it") {
  const GetOrSetOptions options{.expire = 1h, .stale_ok = 10min};
  CHECK(cache.get_or_set(
            "k", [] { return "old"; }, options) == "old");
  const auto left = cache.entry("k").value().expires.value().time_point() - std::chrono::system_clock::now();
  CHECK(left > 69min);
  CHECK(cache.get_or_set("k", unwanted, options) == "old");
  age(cache, "k", 9min);
  Gate gate;
  auto refreshing =
      std::async(std::launch::async, [&] { return cache.get_or_set("k", gate.factory("new"), options); });
  REQUIRE(eventually([&] { return gate.calls == 1; }));
  CHECK(cache.get_or_set("k", unwanted, options) == "old");
  gate.opened.set_value();
  CHECK(refreshing.get() == "new");
  CHECK(cache.get_or_set("k", unwanted, options) == "new");
}

ENGINE_TEST("a refresh that throws leaves the stale value for the others") {
  const GetOrSetOptions options{.expire = 1h, .stale_ok = 10min};
  cache.set("k", "old", {.expire = 5min});
  CHECK_THROWS_AS(static_cast<void>(cache.get_or_set("k", unwanted, options)), std::logic_error);
  CHECK(cache.get("k") == "old");
  CHECK(cache.get_or_set(
            "k", [] { return "new"; }, options) == "new");
}

ENGINE_TEST("with beta a value is computed early, sooner or later, and never where none took long") {
  const GetOrSetOptions options{.expire = 1h, .beta = 1};
  const auto slow = [] {
    std::this_thread::sleep_for(5ms);
    return "old";
  };
  CHECK(cache.get_or_set("k", slow, options) == "old");
  CHECK(std::stod(cache.get("took:k").value()) > 4e6);
  // At an hour's distance it is as good as impossible; with less left than it took it is likely.
  for (int i = 0; i < 100; ++i) CHECK(cache.get_or_set("k", unwanted, options) == "old");
  int early = 0;
  for (int i = 0; i < 200 && early == 0; ++i) {
    cache.set("k", "old", {.expire = 1h});
    cache.set("took:k", "3.6e12", {.expire = 1h});
    if (cache.get_or_set(
            "k", [] { return "new"; }, options) == "new")
      ++early;
  }
  CHECK(early == 1);
  // While somebody is at it, the others have the old value.
  cache.set("k", "old", {.expire = 1h});
  cache.set("took:k", "1e300", {.expire = 1h});
  Gate gate;
  auto early_one =
      std::async(std::launch::async, [&] { return cache.get_or_set("k", gate.factory("new"), options); });
  REQUIRE(eventually([&] { return gate.calls == 1; }));
  CHECK(cache.get_or_set("k", unwanted, options) == "old");
  gate.opened.set_value();
  CHECK(early_one.get() == "new");
}

ENGINE_TEST("how often a value is computed early follows XFetch's rule") {
  // The time it took is the time that is left: P(-ln u >= 1) = 1/e.
  const GetOrSetOptions options{.expire = 1h, .beta = 1};
  int early = 0;
  const int times = 2000;
  cache.set("took:k", "3.6e12");
  for (int i = 0; i < times; ++i) {
    cache.set("k", "old", {.expire = 1h});
    if (cache.get_or_set(
            "k", [] { return std::optional<std::string>(); }, options) == std::nullopt)
      ++early;
  }
  CHECK(early > times * 0.30);
  CHECK(early < times * 0.44);
}

ENGINE_TEST("options that make no sense are refused, and the factory is not called") {
  const auto refused = [&](const GetOrSetOptions& options) {
    CHECK(has(thrown<InvalidArgument>([&] { static_cast<void>(cache.get_or_set("k", unwanted, options)); }),
              "k"));
  };
  refused({.timeout = -1s});
  refused({.max_hold = 0s});
  refused({.stale_ok = 1s});
  refused({.expire = 1h, .stale_ok = -1s});
  refused({.beta = 1});
  refused({.expire = 1h, .beta = -1});
  refused({.expire = 1h, .beta = std::numeric_limits<double>::quiet_NaN()});
  CHECK_THROWS_AS(static_cast<void>(cache.get_or_set(std::string(5000, 'k'), unwanted)), InvalidArgument);
  CHECK(cache.get_or_set(std::string(4096, 'k'), [] { return "v"; }) == "v");
  CHECK(cache.size() == 1);
}

ENGINE_TEST("inside a transaction a hit is given, and a miss is Misuse before the factory is called") {
  cache.set("k", "v");
  cache.transact([&](Transaction&) { CHECK(cache.get_or_set("k", unwanted) == "v"); });
  CHECK_THROWS_AS(
      cache.transact([&](Transaction&) { static_cast<void>(cache.get_or_set("other", unwanted)); }), Misuse);
}
