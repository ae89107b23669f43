// SPDX-License-Identifier: Apache-2.0
//
// Words to sleep on. That they are hints is the callers' business; what these tests ask for happens where
// nothing goes wrong.
#include "conformance/engines.hpp"
#include "platform/process.hpp"

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

ENGINE_TEST("a wake between loading the word and sleeping is not lost") {
  const std::uint64_t agent = platform::thread_agent();
  const auto word = store().wake_word(agent);
  REQUIRE(word.has_value());
  store().wake(store().session(), agent);
  const auto start = Clock::now();
  store().sleep(agent, *word, start + 1min);
  CHECK(Clock::now() - start < 30s);
  CHECK(store().wake_word(agent) == *word + 1);
}

ENGINE_TEST("a wake from another thread ends a sleep, with and without a deadline") {
  const std::uint64_t agent = platform::thread_agent();
  const std::string session = store().session();
  for (const Deadline until : {kNoDeadline, Clock::now() + 1min}) {
    const auto word = store().wake_word(agent);
    REQUIRE(word.has_value());
    std::thread waker([&] {
      std::this_thread::sleep_for(20ms);
      store().wake(session, agent);
    });
    const auto start = Clock::now();
    while (store().wake_word(agent) == word) store().sleep(agent, *word, until);
    CHECK(Clock::now() - start < 30s);
    waker.join();
  }
}

ENGINE_TEST("a sleep that nobody ends is over at its deadline") {
  const std::uint64_t agent = platform::thread_agent();
  const auto word = store().wake_word(agent);
  REQUIRE(word.has_value());
  const auto start = Clock::now();
  while (Clock::now() < start + 50ms) store().sleep(agent, *word, start + 50ms);
  store().sleep(agent, *word, start);
  CHECK(Clock::now() - start < 30s);
  CHECK(store().wake_word(agent) == word);
}

ENGINE_TEST("the agents that a word is shared by, or that sleep on it together, are all woken") {
  const std::uint64_t agent = platform::new_agent();
  const auto word = store().wake_word(agent);
  REQUIRE(word.has_value());
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 4; ++i) {
    sleepers.emplace_back([&] {
      while (store().wake_word(agent) == word) store().sleep(agent, *word, kNoDeadline);
    });
  }
  std::this_thread::sleep_for(20ms);
  store().wake(store().session(), agent);
  for (std::thread& sleeper : sleepers) sleeper.join();
}

ENGINE_TEST("waking a handle wakes who sleeps for all handles, waking a thread does not") {
  const std::uint64_t handle = platform::new_agent();
  const std::uint64_t thread = platform::thread_agent();
  CHECK(!platform::is_thread(handle));
  CHECK(platform::is_thread(thread));
  const auto any = store().wake_word(kAnyHandle);
  const auto own = store().wake_word(handle);
  store().wake(store().session(), thread);
  CHECK(store().wake_word(kAnyHandle) == any);
  const auto end = Clock::now() + 20s;
  std::thread sleeper([&] {
    while (store().wake_word(kAnyHandle) == any && Clock::now() < end) {
      store().sleep(kAnyHandle, *any, end);
    }
  });
  std::this_thread::sleep_for(10ms);
  store().wake(store().session(), handle);
  sleeper.join();
  CHECK(store().wake_word(kAnyHandle) != any);
  CHECK(store().wake_word(handle) != own);
}

ENGINE_TEST("who is woken without sleeping, or does not exist, is no trouble") {
  store().wake(store().session(), platform::new_agent());
  store().wake("", 0);
  store().wake("nobody", ~std::uint64_t{0});
  CHECK(store().wake_word(0).has_value());
  CHECK(store().wake_word(~std::uint64_t{0}).has_value());
}

ENGINE_TEST("nobody watches its own session, or what is none") {
  const std::uint64_t agent = platform::thread_agent();
  CHECK(store().watch(store().session(), agent) == nullptr);
  CHECK(store().watch("", agent) == nullptr);
  CHECK(store().watch("nobody", agent) == nullptr);
}

ENGINE_TEST("statistics say that waiters are woken") { CHECK(cache.stats().board); }
