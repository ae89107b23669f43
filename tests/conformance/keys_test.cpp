// SPDX-License-Identifier: Apache-2.0
//
// Listing keys between two bounds, and words that anybody may sleep on.
#include <thread>

#include "conformance/engines.hpp"

namespace {

using Direction = Store::Direction;

Keys backwards(Keys keys) {
  std::reverse(keys.begin(), keys.end());
  return keys;
}

}  // namespace

ENGINE_TEST("keys are listed from a bound on and before another, either way, as many as are wanted") {
  CHECK(store().keys("", "z", Direction::up, 9).empty());
  for (const char* key : {"c", "a", "b", "d", "", "\xFF", "b\xFF"}) cache.set(key, "v");
  const Keys all{"a", "b", "b\xFF", "c"};
  CHECK(store().keys("a", "d", Direction::up, 9) == all);
  CHECK(store().keys("a", "d", Direction::down, 9) == backwards(all));
  CHECK(store().keys("a", "d", Direction::up, 2) == Keys{"a", "b"});
  CHECK(store().keys("a", "d", Direction::down, 1) == Keys{"c"});
  CHECK(store().keys("", "a", Direction::down, 9) == Keys{""});
  CHECK(store().keys("d", "d", Direction::up, 9).empty());
  CHECK(store().keys("d", "a", Direction::up, 9).empty());
  CHECK(store().keys("d", "a", Direction::down, 9).empty());
  CHECK(store().keys("a", "d", Direction::up, 0).empty());
  CHECK(store().keys("e", "\xFF\xFF", Direction::down, 9) == Keys{"\xFF"});
}

ENGINE_TEST("keys that have expired are listed until they are removed") {
  cache.set("old", "v", {.expire = 1ms});
  std::this_thread::sleep_for(5ms);
  CHECK(store().keys("o", "p", Direction::up, 9) == Keys{"old"});
  cache.erase("old");
  CHECK(store().keys("o", "p", Direction::up, 9).empty());
}

STORE_TEST("a transaction lists the keys that it has changed, others those that were committed") {
  cache.set("a", "v");
  cache.transact([&](Transaction& transaction) {
    transaction.erase("a");
    transaction.set("b", "v");
    CHECK(store().keys("a", "z", Direction::up, 9) == Keys{"b"});
    CHECK(elsewhere([&] { return store().keys("a", "z", Direction::down, 9); }) == Keys{"a"});
  });
  CHECK(store().keys("a", "z", Direction::down, 9) == Keys{"b"});
}

ENGINE_TEST("who sleeps on a topic is woken by its name, and a wake before the sleep is not lost") {
  using Clock = std::chrono::steady_clock;
  const auto word = store().topic_word("jobs");
  REQUIRE(word.has_value());
  store().wake_topic("jobs");
  const auto start = Clock::now();
  store().sleep_on("jobs", *word, start + 1min);
  const auto next = store().topic_word("jobs");
  CHECK(next != word);
  std::thread waker([&] {
    std::this_thread::sleep_for(20ms);
    store().wake_topic("jobs");
  });
  while (store().topic_word("jobs") == next) store().sleep_on("jobs", *next, kNoDeadline);
  waker.join();
  CHECK(Clock::now() - start < 30s);
}
