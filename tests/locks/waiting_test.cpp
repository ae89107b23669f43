// SPDX-License-Identifier: Apache-2.0
#include "locks/waiting.hpp"

#include <chrono>
#include <thread>

#include "board/board.hpp"
#include "locks/access.hpp"
#include "locks/record_json.hpp"
#include "support/check.hpp"

using namespace dcache::locking;
using Clock = std::chrono::steady_clock;

TEST_CASE("pauses begin as spins, then grow to the cap, and each is at least half as long as it may be") {
  const Backoff backoff{.base = 2ms, .cap = 8ms};
  Pause pause(backoff, kNoDeadline, nullptr);
  const auto start = Clock::now();
  for (int i = 0; i < 20; ++i) CHECK(pause.wait() == Pause::Ended::waited);
  CHECK(Clock::now() - start < 1s);  // no sleeps
  for (const auto least : {1ms, 2ms, 4ms, 4ms, 4ms}) {
    const auto before = Clock::now();
    CHECK(pause.wait() == Pause::Ended::waited);
    CHECK(Clock::now() - before >= least);
  }
}

TEST_CASE("a pause ends at the deadline") {
  Pause pause({.base = 10s, .cap = 10s}, Clock::now() + 50ms, nullptr);
  const auto start = Clock::now();
  Pause::Ended ended = Pause::Ended::waited;
  while (ended == Pause::Ended::waited) ended = pause.wait();
  CHECK(ended == Pause::Ended::deadline);
  CHECK(Clock::now() - start >= 50ms);
  CHECK(Clock::now() - start < 5s);
  Pause over({}, Clock::now() - 1h, nullptr);
  CHECK(over.wait() == Pause::Ended::deadline);
}

TEST_CASE("a pause ends soon after a stop is requested") {
  std::stop_source source;
  const std::stop_token token = source.get_token();
  Pause pause({.base = 60s, .cap = 60s}, kNoDeadline, &token);
  for (int i = 0; i < 20; ++i) CHECK(pause.wait() == Pause::Ended::waited);
  std::thread stopper([&] {
    std::this_thread::sleep_for(20ms);
    source.request_stop();
  });
  const auto start = Clock::now();
  CHECK(pause.wait() == Pause::Ended::stopped);
  CHECK(Clock::now() - start < 5s);
  stopper.join();
  CHECK(pause.wait() == Pause::Ended::stopped);
}

TEST_CASE("the backoff may be as long as it likes: nothing overflows") {
  Pause pause({.base = std::chrono::hours::max(), .cap = forever}, Clock::now() + 20ms, nullptr);
  Pause::Ended ended = Pause::Ended::waited;
  while (ended == Pause::Ended::waited) ended = pause.wait();
  CHECK(ended == Pause::Ended::deadline);
}

TEST_CASE("deadlines beyond the end of the clock are none") {
  CHECK(deadline_after(forever) == kNoDeadline);
  CHECK(deadline_after(std::chrono::hours::max()) == kNoDeadline);
  CHECK(deadline_after(std::chrono::nanoseconds::max() - 1ns) == kNoDeadline);
  CHECK(deadline_after(1h) > Clock::now() + 59min);
  const Deadline at_once = deadline_after(0s);
  CHECK(at_once <= Clock::now());
}

TEST_CASE("seconds are told as people say them") {
  CHECK(seconds_text(250ms) == "0.25");
  CHECK(seconds_text(10s) == "10");
  CHECK(seconds_text(1h) == "3600");
  CHECK(seconds_text(0s) == "0.00");
  CHECK(seconds_text(forever) == "forever");
}

TEST_CASE_FIXTURE(OneCache,
                  "who waits for another one's turn wakes that one once, even where they share a word") {
  Store& store = cache.state()->store();
  SyncLock lock(cache, "k");
  lock.lock();
  const Agent waiter{lock.holder()->session, lock.holder()->agent};
  lock.unlock();
  const auto word = board::Board::slot_of(waiter.session, waiter.agent);
  Agent sleeper{waiter.session, waiter.agent + 2};
  while (board::Board::slot_of(sleeper.session, sleeper.agent) != word) sleeper.agent += 2;

  constexpr auto kTurnOfTest = 200ms;
  const std::int64_t now = boottime_us();
  LockRecord record;
  record.waiters = {{.ticket = 1, .owner = "1-1", .who = sleeper, .since = now, .fair = true}};
  record.turn = Turn{.ticket = 1, .until = now + std::chrono::microseconds(kTurnOfTest).count()};
  store.update_record(
      Space::locks, "k",
      [&](const std::string*, std::uint64_t) {
        return RecordChange{.kind = RecordChange::Kind::put, .bytes = print(record)};
      },
      kNoDeadline);
  const std::uint32_t before = store.wake_word(waiter.agent).value();
  CHECK_FALSE(lock.try_lock_for(kTurnOfTest / 2));
  const std::uint32_t moved = store.wake_word(waiter.agent).value() - before;
  CHECK(moved >= 1);
  CHECK(moved < 10);
}
