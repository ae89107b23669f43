// SPDX-License-Identifier: Apache-2.0
//
// The machine of locks: every event on every kind of record.
#include "locks/record.hpp"

#include <vector>

#include "support/check.hpp"

using namespace dcache::locking;

namespace {

const Agent kMe{.session = "mine", .agent = 1};
const Agent kOther{.session = "theirs", .agent = 1};
const Agent kMyOtherThread{.session = "mine", .agent = 2};

Hold hold_of(const Agent& who, std::uint64_t fence = 10, std::uint64_t count = 1) {
  Hold hold;
  hold.owner = "1-1";
  hold.who = who;
  hold.fence = fence;
  hold.count = count;
  return hold;
}

std::optional<LockRecord> held_by(const Hold& hold, Kind kind = Kind::lock) {
  return LockRecord{.kind = kind, .fence = hold.fence, .holders = {hold}};
}

World world(Liveness all, std::int64_t now = 100) {
  return {.boottime_us = now, .alive = [all](const std::string&) { return all; }};
}

Result try_for(const std::optional<LockRecord>& record, const Agent& who, Kind kind = Kind::lock,
               const World& around = world(Liveness::alive)) {
  return acquire(record, kind, hold_of(who, 20), around);
}

}  // namespace

TEST_CASE("what is free is granted with the new fence") {
  for (const std::optional<LockRecord>& record :
       {std::optional<LockRecord>(), std::optional<LockRecord>(LockRecord{})}) {
    for (const Kind kind : {Kind::lock, Kind::rlock}) {
      const Result result = try_for(record, kMe, kind);
      CHECK(result.outcome == Outcome::granted);
      CHECK(result.changed);
      CHECK(result.fence_used);
      CHECK_FALSE(result.owner_died);
      REQUIRE(result.record.has_value());
      CHECK(result.record->kind == kind);
      CHECK(result.record->fence == 20);
      CHECK(result.record->holders == std::vector<Hold>{hold_of(kMe, 20)});
    }
  }
}

TEST_CASE("a live holder keeps the lock, and so does one of whom nothing is known") {
  for (const Liveness state : {Liveness::alive, Liveness::unknown}) {
    for (const Agent& who : {kMe, kMyOtherThread}) {
      for (const Kind kind : {Kind::lock, Kind::rlock}) {
        const auto record = held_by(hold_of(kOther), kind);
        const Result result = try_for(record, who, kind, world(state));
        CHECK(result.outcome == Outcome::busy);
        CHECK_FALSE(result.changed);
        CHECK_FALSE(result.fence_used);
        CHECK(result.record == record);
      }
    }
  }
  // Another thread of the same session is another agent.
  CHECK(try_for(held_by(hold_of(kMyOtherThread), Kind::rlock), kMe, Kind::rlock).outcome == Outcome::busy);
}

TEST_CASE("a dead holder is taken over, and the new one is told") {
  const Result result =
      try_for(held_by(hold_of(kOther, 10, 7), Kind::rlock), kMe, Kind::rlock, world(Liveness::dead));
  CHECK(result.outcome == Outcome::granted);
  CHECK(result.owner_died);
  CHECK(result.fence_used);
  CHECK(result.record->holders.front().count == 1);
  CHECK(result.record->fence == 20);
}

TEST_CASE("a lease ends at its microsecond, not before, whether or not its holder lives") {
  Hold leased = hold_of(kOther);
  leased.lease = 100;
  CHECK(try_for(held_by(leased), kMe, Kind::lock, world(Liveness::alive, 99)).outcome == Outcome::busy);
  const Result result = try_for(held_by(leased), kMe, Kind::lock, world(Liveness::alive, 100));
  CHECK(result.outcome == Outcome::granted);
  CHECK(result.owner_died);
  CHECK(ended(leased, world(Liveness::alive, 100)));
  CHECK_FALSE(ended(leased, world(Liveness::unknown, 99)));
  CHECK(ended(leased, world(Liveness::dead, 0)));
}

TEST_CASE("the holder itself goes deeper in an rlock and nowhere in a lock") {
  const Result deeper = try_for(held_by(hold_of(kMe, 10, 3), Kind::rlock), kMe, Kind::rlock);
  CHECK(deeper.outcome == Outcome::again);
  CHECK_FALSE(deeper.fence_used);
  CHECK(deeper.record->holders.front().count == 4);
  CHECK(deeper.record->fence == 10);

  CHECK(try_for(held_by(hold_of(kMe)), kMe).outcome == Outcome::mine);
  // A key that is used as both kinds is not re-entered.
  CHECK(try_for(held_by(hold_of(kMe), Kind::lock), kMe, Kind::rlock).outcome == Outcome::mine);
  CHECK(try_for(held_by(hold_of(kMe), Kind::rlock), kMe, Kind::lock).outcome == Outcome::mine);
}

TEST_CASE("a release takes away one level, and with the last one the record") {
  Result result = release(held_by(hold_of(kMe, 10, 3), Kind::rlock), kMe, 10);
  CHECK(result.outcome == Outcome::shallower);
  CHECK(result.record->holders.front().count == 2);
  result = release(held_by(hold_of(kMe, 10, 1), Kind::rlock), kMe, std::nullopt);
  CHECK(result.outcome == Outcome::released);
  CHECK(result.changed);
  CHECK(result.record == std::nullopt);
}

TEST_CASE("a release changes nothing unless owner and fence are right") {
  for (const auto& record :
       {std::optional<LockRecord>(), std::optional<LockRecord>(LockRecord{}), held_by(hold_of(kOther)),
        held_by(hold_of(kMyOtherThread)), held_by(hold_of(kOther, 20))}) {
    const Result without = release(record, kMe, std::nullopt);
    CHECK(without.outcome == Outcome::not_owner);
    CHECK_FALSE(without.changed);
    CHECK(without.record == record);
    const Result with = release(record, kMe, 20);
    CHECK(with.outcome == Outcome::lost);
    CHECK_FALSE(with.changed);
    CHECK(with.record == record);
  }
  // The same agent, but another grant.
  const auto newer = held_by(hold_of(kMe, 30));
  CHECK(release(newer, kMe, 20).outcome == Outcome::lost);
  CHECK_FALSE(release(newer, kMe, 20).changed);
}

TEST_CASE("clearing takes what has ended, and what has not only by fence and force") {
  const World alive = world(Liveness::alive);
  const World dead = world(Liveness::dead);
  const World unknown = world(Liveness::unknown);
  const auto record = held_by(hold_of(kOther, 10));
  CHECK(clear(std::nullopt, std::nullopt, true, alive).outcome == Outcome::absent);
  CHECK(clear(record, std::nullopt, false, dead).outcome == Outcome::cleared);
  CHECK(clear(record, 10, false, dead).outcome == Outcome::cleared);
  CHECK(clear(record, 11, true, dead).outcome == Outcome::refused);
  for (const World* around : {&alive, &unknown}) {
    CHECK(clear(record, std::nullopt, false, *around).outcome == Outcome::refused);
    CHECK(clear(record, std::nullopt, true, *around).outcome == Outcome::refused);
    CHECK(clear(record, 10, false, *around).outcome == Outcome::refused);
    CHECK(clear(record, 11, true, *around).outcome == Outcome::refused);
    CHECK(clear(record, 10, true, *around).outcome == Outcome::cleared);
  }
  CHECK(clear(LockRecord{}, std::nullopt, false, alive).outcome == Outcome::cleared);
  CHECK_FALSE(clear(record, 11, true, dead).changed);
}
