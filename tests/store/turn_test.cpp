// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/turn.hpp"

#include <atomic>
#include <latch>
#include <limits>
#include <thread>
#include <vector>

#include "board/board.hpp"
#include "board/layout.hpp"
#include "support/check.hpp"
#include "support/database.hpp"

namespace {

using std::chrono::steady_clock;
using store::sqlite::Turn;
using Moment = std::atomic<std::int64_t>;
using Word = std::atomic<std::uint32_t>;

constexpr std::int64_t kMs = 1'000'000;

std::int64_t now_ns() { return std::chrono::nanoseconds(steady_clock::now().time_since_epoch()).count(); }

template <class F>
std::chrono::nanoseconds time_of(F f) {
  const auto start = steady_clock::now();
  f();
  return steady_clock::now() - start;
}

/// The board of a cache that others use.
struct Waiting : OneCache {
  std::shared_ptr<platform::SharedMemory> memory =
      board::Board(dir / "cache", uuid_of(dir / "cache"), [] { return true; }).mapping().memory;
  Moment& guest = memory->at<Moment>(board::kGuestUntilAt);
  Moment& heard_of = memory->at<Moment>(board::kLineHeardOfAt);
  Word& served = memory->at<Word>(board::kLineServedAt);
  Word& next = memory->at<Word>(board::kLineNextAt);

  /// The shortest of some: of a thread that was held up all are long.
  template <class F>
  static std::chrono::nanoseconds shortest(F f) {
    auto shortest = std::chrono::nanoseconds::max();
    for (int i = 0; i < 20; ++i) shortest = std::min(shortest, time_of(f));
    return shortest;
  }

  /// One that writes without pause, as far as it knows.
  void hurry(Turn& turn) const {
    for (int i = 0; i < 200; ++i) {
      turn.come(memory, kNoDeadline);
      turn.go(false);
    }
  }
};

/// Somebody has the turn and is heard of, but does not pass it on. The line is so long that the last in it is
/// patient when a busy machine holds that one up.
struct Occupied : Waiting {
  static constexpr std::uint32_t kNext = 1000;
  Occupied() {
    next = kNext;
    while (heard_of == 0) std::this_thread::yield();
  }
  ~Occupied() {
    over = true;
    holder.join();
  }
  std::atomic<bool> over{false};
  std::thread holder{[this] {
    while (!over) heard_of = now_ns();
  }};
};

}  // namespace

TEST_CASE_FIXTURE(Waiting, "a guest that waits is let in") {
  const auto with = [&](std::int64_t until, Deadline deadline = kNoDeadline) {
    return shortest([&] {
      guest = until == 0 ? 0 : now_ns() + until;
      Turn().come(memory, deadline);
    });
  };
  CHECK(with(2 * kMs) >= 200us);
  CHECK(with(0) < 200us);
  // What has lapsed, or what nobody can have meant, is nothing to wait for.
  CHECK(with(-1) < 200us);
  CHECK(with(1000 * kMs) < 200us);
  CHECK(with(2 * kMs, steady_clock::now()) < 200us);
  CHECK(shortest([] { Turn().come(nullptr, kNoDeadline); }) < 200us);
}

TEST_CASE_FIXTURE(Waiting, "who has the turn lets a guest in as well") {
  Turn turn;
  hurry(turn);
  CHECK(shortest([&] {
          served = next.load();
          turn.come(memory, kNoDeadline);
          turn.refused();
          ++next;  // somebody behind it
          guest = now_ns() + 2 * kMs;
          turn.come(memory, kNoDeadline);
          guest = 0;
          turn.go(true);
          served = next.load();
        }) >= 200us);
}

TEST_CASE_FIXTURE(Waiting, "who comes to the turn lets a guest in before") {
  Turn turn;
  hurry(turn);
  CHECK(shortest([&] {
          next = served + 1;  // who had the turn was killed
          heard_of = 0;
          guest = now_ns() + 2 * kMs;
          turn.come(memory, kNoDeadline);
          guest = 0;
          turn.go(true);
        }) >= 200us);
}

TEST_CASE_FIXTURE(Waiting, "who has the turn and has to wait for the lock keeps it") {
  Turn turn;
  hurry(turn);
  turn.come(memory, kNoDeadline);
  turn.refused();
  CHECK(eventually([&] {
    turn.refused();
    return heard_of > now_ns();  // as the next look may be after a nap
  }));
  // Who has lost it, and has waited for long, is a guest like others.
  served = ++next;
  CHECK(eventually([&] {
    turn.refused();
    return guest != 0;
  }));
  turn.go(false);
  CHECK(served == next);
}

TEST_CASE_FIXTURE(Waiting, "a guest says that it waits, at once if it has not written of late") {
  Turn turn;
  turn.come(memory, kNoDeadline);
  turn.refused();
  CHECK(guest != 0);
  turn.go(false);
  CHECK(guest == 0);
  // The next time it has written just before.
  CHECK(eventually([&] {
    turn.come(memory, kNoDeadline);
    turn.refused();
    const bool silent = guest == 0;
    turn.go(false);
    return silent;
  }));
}

TEST_CASE_FIXTURE(Waiting, "who has waited for long says so, as long as it waits") {
  cache.set("k", "v");
  Cache other(path());
  other.set("k", "v");
  std::thread writer;
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "w");
    writer = std::thread([&] { other.set("k", "x"); });
    CHECK(eventually([&] { return guest > now_ns(); }));
  });
  writer.join();
  CHECK(guest == 0);
  CHECK(cache.get("k") == "x");
}

TEST_CASE_FIXTURE(Waiting, "a wait that ends otherwise is over as well") {
  Cache other(path(), {.timeout = 50ms});
  other.set("k", "v");
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "w");
    std::thread([&] { CHECK_THROWS_AS(other.set("k", "x"), Timeout); }).join();
  });
  CHECK(guest == 0);
}

TEST_CASE_FIXTURE(Waiting, "who writes without pause keeps the turn for a while, then passes it on") {
  // A machine that is busy may hold it up for longer than that.
  CHECK(eventually([&] {
    Turn turn;
    hurry(turn);
    turn.come(memory, kNoDeadline);
    turn.refused();
    const std::uint32_t ticket = served;
    ++next;  // somebody behind it
    turn.go(false);
    turn.come(memory, kNoDeadline);
    turn.go(false);
    const bool kept = served == ticket;
    turn.come(memory, kNoDeadline);
    std::this_thread::sleep_for(5ms);
    turn.go(false);
    CHECK(served == ticket + 1);
    served = next.load();
    return kept;
  }));
}

TEST_CASE_FIXTURE(Waiting, "who has something else to do passes the turn on") {
  Turn turn;
  hurry(turn);
  turn.come(memory, kNoDeadline);
  turn.refused();
  ++next;
  turn.go(true);
  CHECK(served == next - 1);
}

TEST_CASE_FIXTURE(Waiting, "the turn goes from one to the next") {
  constexpr int kThreads = 4;
  constexpr int kWrites = 1'000;
  std::latch ready(kThreads);
  std::vector<std::thread> threads;
  const auto took = time_of([&] {
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        Turn turn;
        hurry(turn);
        ready.arrive_and_wait();
        for (int done = 0; done < kWrites; ++done) {
          turn.come(memory, steady_clock::now() + 10s);
          turn.refused();
          for (const std::int64_t start = now_ns(); now_ns() < start + 20'000;) {
          }
          turn.go(false);
        }
        turn.go(true);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  CHECK(took < 4s);
  CHECK(next > kThreads);
  CHECK(served == next);
}

TEST_CASE_FIXTURE(Occupied, "who writes without pause stands in line, a guest does not") {
  Turn guest_turn;
  CHECK(time_of([&] { guest_turn.come(memory, steady_clock::now() + 10s); }) < 4s);
  CHECK(served == 0);
  CHECK(next == kNext);

  Turn turn;
  served = kNext;
  hurry(turn);
  served = 0;
  // For half of the time that it has, so that the rest is left for asking.
  const auto stood = time_of([&] { turn.come(memory, steady_clock::now() + 600ms); });
  CHECK(stood >= 299ms);
  CHECK(stood < 590ms);
  CHECK(served == 0);
  CHECK(next == kNext + 1);
  turn.refused();
  CHECK(next == kNext + 1);

  // Who takes locks is a guest again.
  turn.expect_others();
  turn.go(false);
  CHECK(time_of([&] { turn.come(memory, steady_clock::now() + 10s); }) < 4s);
}

TEST_CASE_FIXTURE(Waiting, "who was killed with the turn or in line is passed over") {
  Turn turn;
  hurry(turn);
  served = next.load();
  next = served + 8;
  heard_of = now_ns();
  CHECK(time_of([&] { turn.come(memory, steady_clock::now() + 10s); }) < 4s);
  CHECK(served == next - 1);
  turn.go(true);
  CHECK(served == next);
}

TEST_CASE_FIXTURE(Waiting, "nonsense on the board holds nobody up") {
  Turn turn;
  const auto held_up = [&](std::uint32_t is_served, std::uint32_t is_next, std::int64_t heard) {
    hurry(turn);
    return shortest([&] {
      served = is_served;
      next = is_next;
      heard_of = heard;
      turn.come(memory, steady_clock::now() + 10s);
      turn.refused();
      turn.go(true);
    });
  };
  const std::int64_t far = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t heard : {std::int64_t{0}, far, -far, now_ns() + 3600 * 1000 * kMs}) {
    CHECK(held_up(0, 0xFFFF'FFFF, heard) < 1s);
    CHECK(held_up(0xFFFF'FFFF, 0, heard) < 1s);
    CHECK(held_up(7, 6, heard) < 1s);
    CHECK(held_up(6, 1'000'000, heard) < 1s);
    CHECK(held_up(0x8000'0000, 1, heard) < 1s);
  }
  // Tickets that are served long before they are handed out: those that come next follow them.
  CHECK(held_up(0x7FFF'FFFF, 0, 0) < 1s);
  CHECK(next - served <= 1);
  // A long line of whose first was just heard.
  CHECK(held_up(6, 1'000'000, now_ns() + 900'000) < 1s);
}

TEST_CASE_FIXTURE(Waiting, "open caches that write without pause stand in line") {
  // What differs from one run to the next is who finds the lock taken.
  CHECK(eventually([&] {
    std::vector<std::thread> writers;
    for (const char* key : {"a", "b"}) {
      writers.emplace_back([&, key] {
        Cache other(path());
        for (int i = 0; i < 2'000; ++i) other.set(key, std::to_string(i));
      });
    }
    for (std::thread& writer : writers) writer.join();
    return next > 0;
  }));
  CHECK(served == next);
  CHECK(cache.get("a") == "1999");
}
