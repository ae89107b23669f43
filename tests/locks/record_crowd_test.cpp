// SPDX-License-Identifier: Apache-2.0
//
// The machine of locks, with more who wait than there are places in the queue.
#include <algorithm>
#include <optional>
#include <string>

#include "locks/record.hpp"
#include "locks/record_json.hpp"
#include "locks/record_samples.hpp"
#include "support/check.hpp"

using namespace dcache::locking;

namespace {

/// Session names are as long as real ones.
constexpr std::string_view kLiving = "a-living-session-of-some-process";
constexpr std::string_view kDead = "d-ended-session-of-some-process.";

/// In this world the sessions that begin with d have ended.
World after_deaths() {
  World around = world();
  around.alive = [](const std::string& session) {
    return session[0] == 'd' ? Liveness::dead : Liveness::alive;
  };
  return around;
}

Wish newcomer(std::uint64_t number, std::string_view session = kLiving, std::uint64_t ticket = 0) {
  Wish wish = wish_of({.session = std::string(session), .agent = number}, locking::Queue::join, ticket);
  wish.hold.owner = "4194304-4194304";
  return wish;
}

/// Held, and waited for by as many as there are places, of which every second one will be dead.
LockRecord full() {
  std::optional<LockRecord> record = acquire(std::nullopt, newcomer(1), 1, world()).record;
  for (std::uint64_t i = 0; i < kMostWaiters; ++i) {
    const Result joined = acquire(record, newcomer(i + 2, i % 2 == 0 ? kLiving : kDead), i + 2, world());
    REQUIRE(joined.ticket == i + 2);
    record = joined.record;
  }
  return *record;
}

std::size_t dead_in(const LockRecord& record) {
  return static_cast<std::size_t>(std::count_if(record.waiters.begin(), record.waiters.end(),
                                                [](const Wait& wait) { return wait.who.session == kDead; }));
}

}  // namespace

TEST_CASE("who finds the queue full waits without a place, and changes nothing") {
  const LockRecord record = full();
  CHECK(record.waiters.size() == kMostWaiters);
  CHECK(print(record).size() < 256 * kMostWaiters);
  const Result late = acquire(record, newcomer(9000), 9000, world());
  CHECK(late.outcome == Outcome::busy);
  CHECK(late.ticket == 0);
  CHECK_FALSE(late.number_used);
  CHECK_FALSE(late.changed);
  CHECK(late.record == record);
  CHECK(late.wake.empty());
}

TEST_CASE("the dead in a full queue make room") {
  const LockRecord record = full();
  CHECK(dead_in(record) == kMostWaiters / 2);
  const Result joined = acquire(record, newcomer(9000), 9000, after_deaths());
  CHECK(joined.ticket == 9000);
  CHECK(joined.record->waiters.size() == kMostWaiters / 2 + 1);
  CHECK(dead_in(*joined.record) == 0);
  CHECK(joined.record->waiters.front() == record.waiters.front());
}

TEST_CASE("a waiter without a place looks again, and acts when there is room or the lock is free for it") {
  LockRecord record = full();
  const Wish wish = newcomer(9000);
  const Look none = look(record, wish, world());
  CHECK_FALSE(none.act);
  CHECK(none.ahead == kMostWaiters);
  CHECK(none.watch.empty());

  // All who wait are older, so that a release is for the first of them.
  const World later = world("", kNow + 2 * kAge);
  LockRecord released = *release(record, record.holders[0].who, std::nullopt, 1, later).record;
  REQUIRE(released.turn.has_value());
  const Look turn = look(released, wish, later);
  CHECK_FALSE(turn.act);
  CHECK(turn.next == released.turn->until);
  CHECK(acquire(released, wish, 9000, later).outcome == Outcome::busy);

  // The first one takes it, and leaves its place.
  const Result first = acquire(released, newcomer(2, kLiving, 2), 9001, later);
  REQUIRE(first.outcome == Outcome::granted);
  CHECK(first.record->waiters.size() == kMostWaiters - 1);
  CHECK(look(first.record, wish, later).act);
  CHECK(acquire(first.record, wish, 9002, later).ticket == 9002);

  // Nobody is left to be let go first.
  record.holders.clear();
  record.waiters.clear();
  CHECK(look(record, wish, world()).act);
  CHECK(acquire(record, wish, 9003, world()).outcome == Outcome::granted);
}
