// SPDX-License-Identifier: Apache-2.0
#include "dcache/queue.hpp"

#include <future>
#include <thread>

#include "conformance/engines.hpp"
#include "support/database.hpp"

namespace {

using Values = std::vector<std::string>;

Values values_of(const Items& items) {
  Values values;
  for (const Entry& item : items) values.push_back(item.value);
  return values;
}

std::optional<std::string> pulled(Queue& queue, Side side = Side::front) {
  auto entry = queue.pull({.side = side});
  if (!entry) return std::nullopt;
  return entry->value;
}

/// All that is left, in order.
Values drained(Queue& queue) {
  Values values;
  while (auto value = pulled(queue)) values.push_back(*value);
  return values;
}

}  // namespace

ENGINE_TEST("what is pushed is pulled in order, from either end") {
  Queue queue(cache, "jobs");
  CHECK_FALSE(queue.pull());
  CHECK_FALSE(queue.peek());
  for (const char* value : {"b", "c", "d"}) queue.push(value);
  queue.push("a", {.side = Side::front});
  CHECK(queue.size() == 4);
  CHECK(values_of(queue.items()) == Values{"a", "b", "c", "d"});
  CHECK(values_of(queue.items(Side::back)) == Values{"d", "c", "b", "a"});
  CHECK(queue.peek()->value == "a");
  CHECK(queue.peek(Side::back)->value == "d");
  CHECK(pulled(queue) == "a");
  CHECK(pulled(queue, Side::back) == "d");
  CHECK(pulled(queue, Side::back) == "c");
  CHECK(pulled(queue) == "b");
  CHECK_FALSE(queue.pull());
  CHECK(cache.size() == 0);
}

ENGINE_TEST("push tells the key of an item, under which it is an ordinary value") {
  Queue queue(cache, "jobs");
  const std::string key = queue.push("v", {.expire = 1h, .tags = {"x", "y"}});
  CHECK(queue.has_key(key));
  const std::optional<Entry> entry = cache.entry(key);
  REQUIRE(entry);
  CHECK(entry->value == "v");
  CHECK(entry->expires);
  CHECK(entry->tags == Values{"x", "y"});
  CHECK(entry->format == Format::text);
  const std::optional<Entry> got = queue.pull();
  REQUIRE(got);
  CHECK(got->key == key);
  CHECK(got->tags == entry->tags);
  CHECK(got->expires == entry->expires);
}

ENGINE_TEST("keys keep the order and never come again, however often a queue is empty") {
  Queue queue(cache, "jobs");
  std::string last;
  for (int i = 0; i < 200; ++i) {
    const std::string key = queue.push("v");
    CHECK(key > last);
    last = key;
    if (i % 3 == 0) static_cast<void>(queue.pull());
    if (i % 20 == 0) queue.clear();
  }
  std::string first = queue.push("v", {.side = Side::front});
  for (int i = 0; i < 200; ++i) {
    const std::string key = queue.push("v", {.side = Side::front});
    CHECK(key < first);
    first = key;
  }
}

ENGINE_TEST("an item pushed behind one of a clock that was ahead still comes after it") {
  Queue queue(cache, "jobs");
  cache.set("jobs#7000000000000000000", "from the future");
  CHECK(queue.push("now") == "jobs#7000000000000000001");
  cache.set("jobs#3000000000000000000", "from the past");
  CHECK(queue.push("first", {.side = Side::front}) == "jobs#2999999999999999999");
  CHECK(drained(queue) == Values{"first", "from the past", "from the future", "now"});
}

ENGINE_TEST("a queue whose last key is taken says so and stays as it is") {
  Queue queue(cache, "jobs");
  cache.set("jobs#9999999999999999999", "last");
  CHECK(has(thrown<Full>([&] { queue.push("v"); }), "jobs#9999999999999999999"));
  cache.set("jobs#0000000000000000000", "first");
  CHECK_THROWS_AS(queue.push("v", {.side = Side::front}), Full);
  CHECK(drained(queue) == Values{"first", "last"});
}

ENGINE_TEST("values beside a queue and other queues are left alone") {
  Queue queue(cache, "jobs");
  const Keys beside{"jobs",
                    "jobs#",
                    "jobs#5",
                    "jobs#new",
                    "jobs#50000000000000000000",
                    "jobs#499999999999999999x",
                    "jobs-5000000000000000000",
                    "job#5000000000000000000"};
  for (const std::string& key : beside) cache.set(key, "mine");
  Queue longer(cache, "jobs#5");
  Queue nameless(cache, "");
  longer.push("longer");
  nameless.push("nameless");
  queue.push("a");
  queue.push("b", {.side = Side::front});
  CHECK(queue.size() == 2);
  CHECK(drained(queue) == Values{"b", "a"});
  queue.push("c");
  CHECK(queue.clear() == 1);
  CHECK_FALSE(queue.pull());
  for (const std::string& key : beside) CHECK(cache.get(key) == "mine");
  CHECK(drained(longer) == Values{"longer"});
  CHECK(drained(nameless) == Values{"nameless"});
}

ENGINE_TEST("items that have expired are nobody's") {
  Queue queue(cache, "jobs");
  for (int i = 0; i < 1000; ++i) queue.push("old", {.expire = 1ms});
  queue.push("young");
  std::this_thread::sleep_for(5ms);
  CHECK(queue.size() == 1);
  CHECK(queue.peek()->value == "young");
  CHECK(drained(queue) == Values{"young"});
  CHECK(cache.stats().expired == 0);
}

ENGINE_TEST("items can be evicted by tag") {
  Queue queue(cache, "jobs");
  queue.push("a", {.tags = "x"});
  queue.push("b");
  CHECK(cache.evict("x") == 1);
  CHECK(drained(queue) == Values{"b"});
}

ENGINE_TEST("a transaction takes its pushes and pulls back with it") {
  Queue queue(cache, "jobs");
  queue.push("a");
  const auto fails = [&](Transaction&) {
    queue.push("b");
    CHECK(pulled(queue) == "a");
    throw std::runtime_error("no");
  };
  CHECK_THROWS_AS(cache.transact(fails), std::runtime_error);
  CHECK(drained(queue) == Values{"a"});
  cache.transact([&](Transaction&) {
    CHECK_THROWS_AS(static_cast<void>(queue.pull({.wait = 1s})), Misuse);
    queue.push("c");
  });
  CHECK(drained(queue) == Values{"c"});
}

ENGINE_TEST("several threads lose and double nothing") {
  constexpr int kThreads = 4;
  const int each = rounds(200);
  std::vector<std::future<Values>> consumers;
  for (int t = 0; t < kThreads; ++t) {
    consumers.push_back(std::async(std::launch::async, [&] {
      Queue queue(cache, "jobs");
      Values seen;
      while (auto item = queue.pull({.wait = 20s})) {
        if (item->value == "end") break;
        seen.push_back(item->value);
      }
      return seen;
    }));
  }
  std::vector<std::future<void>> producers;
  for (int t = 0; t < kThreads; ++t) {
    producers.push_back(std::async(std::launch::async, [&, t] {
      Queue queue(cache, "jobs");
      for (int i = 0; i < each; ++i) queue.push(std::to_string(t * each + i));
    }));
  }
  for (auto& producer : producers) producer.get();
  Queue queue(cache, "jobs");
  for (int t = 0; t < kThreads; ++t) queue.push("end");
  std::vector<int> all;
  for (auto& consumer : consumers) {
    for (const std::string& value : consumer.get()) all.push_back(std::stoi(value));
  }
  std::sort(all.begin(), all.end());
  std::vector<int> expected(static_cast<std::size_t>(kThreads * each));
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<int>(i);
  CHECK(all == expected);
}

ENGINE_TEST("pull waits for an item, at most as long as it was told, and can be stopped") {
  Queue queue(cache, "jobs");
  CHECK_FALSE(queue.pull({.wait = 30ms}));
  auto waiting = std::async(std::launch::async, [&] { return queue.pull({.wait = forever})->value; });
  std::this_thread::sleep_for(20ms);
  queue.push("a");
  CHECK(waiting.get() == "a");
  std::stop_source stop;
  auto stopped = std::async(std::launch::async, [&] {
    return thrown<Cancelled>(
        [&] { static_cast<void>(queue.pull({.wait = forever, .stop = stop.get_token()})); });
  });
  std::this_thread::sleep_for(20ms);
  stop.request_stop();
  CHECK(has(stopped.get(), "cancelled"));
}

ENGINE_TEST("large values and all bytes pass through a queue") {
  Queue queue(cache, std::string("\0\xFF#", 3));
  const std::string large(200'000, 'x');
  queue.push(large);
  queue.push(std::string("a\0b\xFF", 4));
  queue.push("");
  CHECK(drained(queue) == Values{large, std::string("a\0b\xFF", 4), ""});
}

ENGINE_TEST("a name that leaves no room for keys is refused") {
  CHECK_NOTHROW(Queue(cache, std::string(4076, 'n')).push("v"));
  CHECK(has(thrown<InvalidArgument>([&] { Queue(cache, std::string(4077, 'n')); }), "4076"));
}

ENGINE_TEST("peekitem is the first or last entry, by insertion or by key") {
  CHECK_FALSE(peekitem(cache));
  for (const char* key : {"b", "c", "a"}) cache.set(key, key);
  CHECK(peekitem(cache)->key == "a");
  CHECK(peekitem(cache, Side::front)->key == "b");
  CHECK(peekitem(cache, Side::front, Order::key)->key == "a");
  CHECK(peekitem(cache, Side::back, Order::key)->value == "c");
}

ENGINE_TEST("a queue keeps its cache open") {
  Cache moved = std::move(cache);
  Queue queue(moved, "jobs");
  { const Cache gone = std::move(moved); }
  queue.push("a");
  CHECK(drained(queue) == Values{"a"});
}

TEST_CASE("damaged items at both ends are passed over and told, each call once, and stay for check") {
  const TempDir dir;
  const auto path = dir / "cache";
  std::string first;
  std::string last;
  {
    Cache cache(path);
    Queue queue(cache, "jobs");
    first = queue.push(std::string(100'000, 'f'));  // in a file of its own
    queue.push("well");
    queue.push("well, too");
    last = queue.push("damaged");
  }
  const std::string broken = "UPDATE entries SET sum = sum + 1 WHERE key IN (CAST('" + first +
                             "' AS BLOB), CAST('" + last + "' AS BLOB))";
  Database(path / "cache.db").run(broken);
  Values told;
  Cache cache(path, {.on_error = [&](const Error& error) { told.emplace_back(error.what()); }});
  Queue queue(cache, "jobs");
  CHECK(queue.peek()->value == "well");
  REQUIRE(told.size() == 1);
  CHECK(has(told[0], first));
  CHECK(queue.pull()->value == "well");
  CHECK(told.size() == 2);
  {
    auto leased = queue.lease({.side = Side::back});
    REQUIRE(leased);
    CHECK(leased->value() == "well, too");
    CHECK(told.size() == 3);
    CHECK(has(told[2], last));
    CHECK(leased->ack());
  }
  CHECK_FALSE(queue.pull());
  CHECK_FALSE(queue.lease());
  CHECK(values_of(queue.items()).empty());
  CHECK_FALSE(peekitem(cache));
  told.clear();
  CHECK_FALSE(queue.pull({.wait = 20ms}));
  CHECK(told.size() >= 2);
  CHECK(cache.check({.fix = true}).problems.size() >= 2);
  told.clear();
  queue.push("new");
  CHECK(drained(queue) == Values{"new"});
  CHECK(told.empty());
}
