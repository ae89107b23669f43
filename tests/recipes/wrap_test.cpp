// SPDX-License-Identifier: Apache-2.0
#include "dcache/wrap.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <memory>

#include "conformance/engines.hpp"
#include "dcache/json.hpp"
#include "support/check.hpp"

ENGINE_TEST("a memoized function is called once for equal arguments, and its results are values") {
  int calls = 0;
  auto area = memoized(cache, "area",
                       [&](int width, int height) {
                         ++calls;
                         return width * height;
                       },
                       {.expire = 1h});
  CHECK(area(3, 4) == 12);
  CHECK(area(3, 4) == 12);
  CHECK(calls == 1);
  CHECK(area(4, 3) == 12);
  CHECK(calls == 2);
  CHECK(cache.get("area[3,4]") == "12");
  CHECK(cache.entry("area[3,4]").value().expires.has_value());
  cache.erase("area[3,4]");
  CHECK(area(3, 4) == 12);
  CHECK(calls == 3);
}

ENGINE_TEST("the key may come from a function of the arguments") {
  int calls = 0;
  const auto by_length = [](const std::string& text) { return "length:" + std::to_string(text.size()); };
  auto first = memoized(cache, by_length, [&](const std::string& text) {
    ++calls;
    return text;
  });
  CHECK(first("abc") == "abc");
  CHECK(first("xyz") == "abc");
  CHECK(calls == 1);
  CHECK(cache.get("length:3") == "abc");
}

ENGINE_TEST("a memoized function returns what JSON can hold, and nothing where it has nothing") {
  auto split = memoized(cache, "split", [](int n) { return std::vector<int>{n / 10, n % 10}; });
  CHECK(split(42) == std::vector<int>{4, 2});
  CHECK(split(42) == std::vector<int>{4, 2});
  auto root = memoized(cache, "root", [](int n) { return n == 4 ? std::optional(2) : std::nullopt; });
  CHECK(root(4) == 2);
  CHECK(root(5) == std::nullopt);
  CHECK_FALSE(cache.contains("root[5]"));
}

ENGINE_TEST("a name for the key may be gone when the function is called") {
  auto name = std::make_unique<std::string>("name");
  auto f = memoized(cache, std::string_view(*name), [] { return 1; });
  name.reset();
  CHECK(f() == 1);
  CHECK(cache.contains("name[]"));
}

ENGINE_TEST("synchronized calls with equal arguments exclude each other, others do not") {
  const std::function<bool(int)> f =
      synchronized(cache, "k", [&](int) { return SyncLock(cache, "k[1]").locked(); });
  CHECK(f(1));
  CHECK_FALSE(f(2));
  CHECK(locks(cache).empty());
  SyncLock other(cache, "k[1]");
  other.lock();
  auto impatient = synchronized(cache, "k", [](int n) { return n; }, {.timeout = 10ms});
  CHECK_THROWS_AS(impatient(1), Timeout);
  CHECK(impatient(2) == 2);
}

ENGINE_TEST("synchronized threads run one at a time") {
  std::atomic<int> inside = 0;
  auto f = synchronized(cache, "k", [&] {
    CHECK(++inside == 1);
    std::this_thread::sleep_for(2ms);
    --inside;
  });
  std::vector<std::future<void>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::async(std::launch::async, [f]() mutable {
      for (int n = 0; n < 5; ++n) f();
    }));
  }
  for (auto& thread : threads) thread.get();
}

ENGINE_TEST("a barrier around a function is one lock, whatever the arguments, of the given kind") {
  auto f = barrier(cache, "k", [&](int) { return SyncLock(cache, "k").locked(); });
  CHECK(f(1));
  CHECK(f(2));
  std::function<int(int)> factorial;
  factorial = barrier<SyncRLock>(cache, "r", [&](int n) { return n < 2 ? 1 : n * factorial(n - 1); });
  CHECK(factorial(5) == 120);
  CHECK(locks(cache).empty());
}

ENGINE_TEST("arguments are handed on as they are") {
  auto take = synchronized(
      cache, [](const auto&) { return "k"; }, [](std::unique_ptr<int> number) { return *number; });
  CHECK(take(std::make_unique<int>(3)) == 3);
  auto change = synchronized(cache, "c", [](int& number) -> int& { return ++number; });
  int number = 1;
  CHECK(&change(number) == &number);
  CHECK(number == 2);
}
