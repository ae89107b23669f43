// SPDX-License-Identifier: Apache-2.0
//
// The machine of locks, without those who wait: grants of every kind, and how they end.
#include "locks/record.hpp"

#include <limits>
#include <vector>

#include "locks/record_samples.hpp"
#include "support/check.hpp"

using namespace dcache::locking;

namespace {

using MaybeRecord = std::optional<LockRecord>;

MaybeRecord held_by(const Hold& hold, Kind kind = Kind::lock) {
  return LockRecord{.kind = kind, .fence = hold.fence, .holders = {hold}};
}

MaybeRecord rwlock(std::vector<Hold> holders) {
  return LockRecord{.kind = Kind::rwlock, .fence = 10, .holders = std::move(holders)};
}

MaybeRecord semaphore(std::uint64_t limit, std::vector<Hold> holders) {
  return LockRecord{.kind = Kind::semaphore, .fence = 10, .limit = limit, .holders = std::move(holders)};
}

Hold reader(char name, std::uint64_t fence = 10) { return hold_of(agent(name), fence, Mode::shared); }
Hold user(char name, std::uint64_t count, std::uint64_t fence = 10) {
  return hold_of(agent(name), fence, Mode::permits, count);
}

Wish by(const Agent& who, Kind kind = Kind::lock) { return wish_of(who, locking::Queue::stay_out, 0, kind); }

World unsure() {
  World around = world();
  around.alive = [](const std::string&) { return Liveness::unknown; };
  return around;
}

void check_untouched(const Result& result, Outcome outcome, const MaybeRecord& record) {
  CHECK(result.outcome == outcome);
  CHECK_FALSE(result.changed);
  CHECK_FALSE(result.number_used);
  CHECK(result.record == record);
  CHECK(result.wake.empty());
}

}  // namespace

TEST_CASE("what is free is granted with the new fence") {
  for (const MaybeRecord& record : {MaybeRecord(), MaybeRecord(LockRecord{})}) {
    for (const Kind kind : {Kind::lock, Kind::rlock, Kind::rwlock}) {
      const Result result = acquire(record, by(agent('a'), kind), 20, world());
      CHECK(result.outcome == Outcome::granted);
      CHECK(result.changed);
      CHECK(result.number_used);
      CHECK_FALSE(result.owner_died);
      CHECK(result.ticket == 0);
      REQUIRE(result.record.has_value());
      CHECK(result.record->kind == kind);
      CHECK(result.record->fence == 20);
      CHECK(result.record->holders == std::vector<Hold>{hold_of(agent('a'), 20)});
    }
  }
}

TEST_CASE("a live holder keeps the lock, and so does one of whom nothing is known") {
  for (const World& around : {world(), unsure()}) {
    for (const Kind kind : {Kind::lock, Kind::rlock, Kind::rwlock}) {
      const MaybeRecord record = held_by(hold_of(agent('a')), kind);
      // Another thread of the same session is another agent.
      for (const Agent& who : {agent('b'), agent('a', 2)}) {
        check_untouched(acquire(record, by(who, kind), 20, around), Outcome::busy, record);
      }
    }
  }
}

TEST_CASE("a dead holder is taken over, and the new one is told") {
  const MaybeRecord record = held_by(hold_of(agent('a'), 10, Mode::exclusive, 7), Kind::rlock);
  const Result result = acquire(record, by(agent('b'), Kind::rlock), 20, world("a"));
  CHECK(result.outcome == Outcome::granted);
  CHECK(result.owner_died);
  CHECK(result.number_used);
  CHECK(result.record->holders == std::vector<Hold>{hold_of(agent('b'), 20)});
}

TEST_CASE("a lease ends at its microsecond, not before, whether or not its holder lives") {
  Hold leased = hold_of(agent('a'));
  leased.lease = kNow + 5;
  const MaybeRecord record = held_by(leased);
  CHECK(acquire(record, by(agent('b')), 20, world("", kNow + 4)).outcome == Outcome::busy);
  const Result result = acquire(record, by(agent('b')), 20, world("", kNow + 5));
  CHECK(result.outcome == Outcome::granted);
  CHECK(result.owner_died);
  CHECK(ended(leased, world("", kNow + 5)));
  CHECK(ended(leased, world("a", 0)));
  World around = unsure();
  CHECK_FALSE(ended(leased, around));
  around.boottime_us = kNow + 5;
  CHECK(ended(leased, around));
}

TEST_CASE("a grant that is kept outlives its holder until its lease ends on the wall clock") {
  Hold kept = hold_of(agent('a'));
  kept.keep = true;
  kept.lease = 2 * kNow;
  World around = world("a");
  around.boottime_us = 3 * kNow;
  CHECK_FALSE(ended(kept, around));
  CHECK(acquire(held_by(kept), by(agent('b')), 20, around).outcome == Outcome::busy);
  around.wall_us = 2 * kNow;
  const Result result = acquire(held_by(kept), by(agent('b')), 20, around);
  CHECK(result.outcome == Outcome::granted);
  CHECK_FALSE(result.owner_died);
  kept.lease.reset();
  CHECK(ended(kept, world()));
}

TEST_CASE("the holder itself goes deeper in an rlock and nowhere in a lock") {
  const Hold own = hold_of(agent('a'), 10, Mode::exclusive, 3);
  const Result deeper = acquire(held_by(own, Kind::rlock), by(agent('a'), Kind::rlock), 20, world());
  CHECK(deeper.outcome == Outcome::again);
  CHECK_FALSE(deeper.number_used);
  CHECK(deeper.record->holders == std::vector<Hold>{hold_of(agent('a'), 10, Mode::exclusive, 4)});

  // A key that is used as both kinds is not re-entered.
  for (const auto& [used, asked] : {std::pair(Kind::lock, Kind::lock), std::pair(Kind::lock, Kind::rlock),
                                    std::pair(Kind::rlock, Kind::lock)}) {
    const MaybeRecord record = held_by(own, used);
    check_untouched(acquire(record, by(agent('a'), asked), 20, world()), Outcome::mine, record);
  }
}

TEST_CASE("a holder whose lease is over is granted anew, not deeper") {
  Hold over = hold_of(agent('a'));
  over.lease = kNow;
  const Result result = acquire(held_by(over, Kind::rlock), by(agent('a'), Kind::rlock), 20, world());
  CHECK(result.outcome == Outcome::granted);
  CHECK(result.record->holders == std::vector<Hold>{hold_of(agent('a'), 20)});
}

TEST_CASE("readers share, and exclude writers as these exclude everybody") {
  const Result second = acquire(rwlock({reader('a')}), shared(by(agent('b'))), 20, world());
  CHECK(second.outcome == Outcome::granted);
  CHECK(second.record->holders == std::vector<Hold>{reader('a'), reader('b', 20)});
  CHECK(second.record->fence == 20);
  CHECK(acquire(second.record, by(agent('c'), Kind::rwlock), 30, world()).outcome == Outcome::busy);
  CHECK(acquire(second.record, by(agent('c'), Kind::rwlock), 30, world("a")).outcome == Outcome::busy);

  const Result writer = acquire(second.record, by(agent('c'), Kind::rwlock), 30, world("ab"));
  CHECK(writer.outcome == Outcome::granted);
  CHECK(writer.owner_died);
  CHECK(writer.record->holders == std::vector<Hold>{hold_of(agent('c'), 30)});
  CHECK(acquire(writer.record, shared(by(agent('a'))), 40, world()).outcome == Outcome::busy);
}

TEST_CASE("a reader goes deeper, and one that wants to write is told that it is itself in the way") {
  const MaybeRecord record = rwlock({reader('a'), reader('b', 11)});
  const Result deeper = acquire(record, shared(by(agent('b'))), 20, world());
  CHECK(deeper.outcome == Outcome::again);
  CHECK(deeper.record->holders[1].count == 2);
  CHECK(deeper.record->holders[1].fence == 11);
  check_untouched(acquire(record, by(agent('b'), Kind::rwlock), 20, world()), Outcome::mine, record);
  const MaybeRecord written = held_by(hold_of(agent('b')), Kind::rwlock);
  check_untouched(acquire(written, shared(by(agent('b'))), 20, world()), Outcome::mine, written);
}

TEST_CASE("permits are given as far as they go, those of the dead again") {
  const MaybeRecord record = semaphore(5, {user('a', 2), user('b', 2, 11)});
  CHECK(acquire(record, permits(by(agent('c')), 2, 5), 20, world()).outcome == Outcome::busy);
  CHECK(acquire(record, permits(by(agent('c')), 6, 5), 20, world("ab")).outcome == Outcome::busy);
  const Result one = acquire(record, permits(by(agent('c')), 1, 5), 20, world());
  CHECK(one.outcome == Outcome::granted);
  CHECK_FALSE(one.owner_died);
  CHECK(one.record->holders == std::vector<Hold>{user('a', 2), user('b', 2, 11), user('c', 1, 20)});
  const Result three = acquire(record, permits(by(agent('c')), 3, 5), 20, world("a"));
  CHECK(three.outcome == Outcome::granted);
  CHECK(three.owner_died);
  CHECK(three.record->holders == std::vector<Hold>{user('b', 2, 11), user('c', 3, 20)});
}

TEST_CASE("more permits for the same agent make its grant larger, under the fence it has") {
  const MaybeRecord record = semaphore(3, {user('a', 1)});
  const Result more = acquire(record, permits(by(agent('a')), 2, 3), 20, world());
  CHECK(more.outcome == Outcome::again);
  CHECK_FALSE(more.number_used);
  CHECK(more.record->holders == std::vector<Hold>{user('a', 3)});
  CHECK(acquire(more.record, permits(by(agent('a')), 1, 3), 20, world()).outcome == Outcome::busy);
}

TEST_CASE("numbers of permits as large as can be do not wrap around") {
  constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  const MaybeRecord record = semaphore(kAll, {user('a', kAll)});
  CHECK_FALSE(is_free(*record, Mode::permits, 1, world()));
  CHECK_FALSE(is_free(*record, Mode::permits, kAll, world()));
  CHECK(is_free(*record, Mode::permits, kAll, world("a")));
}

TEST_CASE("lock, rlock and rwlock are one another's locks") {
  const MaybeRecord locked = held_by(hold_of(agent('a')));
  CHECK(acquire(locked, by(agent('b'), Kind::rlock), 20, world()).outcome == Outcome::busy);
  CHECK(acquire(locked, shared(by(agent('b'))), 20, world()).outcome == Outcome::busy);
  const MaybeRecord read = acquire(locked, shared(by(agent('b'))), 20, world("a")).record;
  CHECK(read->kind == Kind::rwlock);
  CHECK(acquire(read, by(agent('c')), 30, world()).outcome == Outcome::busy);
  CHECK(acquire(read, shared(by(agent('c'))), 30, world()).outcome == Outcome::granted);
}

TEST_CASE("permits do not mix with other kinds, nor limits, while in use") {
  const MaybeRecord locked = held_by(hold_of(agent('a')));
  check_untouched(acquire(locked, permits(by(agent('b')), 1, 3), 20, world()), Outcome::mismatch, locked);
  const MaybeRecord counted = semaphore(3, {user('a', 1)});
  check_untouched(acquire(counted, by(agent('b')), 20, world()), Outcome::mismatch, counted);
  check_untouched(acquire(counted, permits(by(agent('b')), 1, 4), 20, world()), Outcome::mismatch, counted);
  const MaybeRecord wanted = LockRecord{.fence = 10, .waiters = {wait_of(agent('a'), 5)}};
  check_untouched(acquire(wanted, permits(by(agent('b')), 1, 3), 20, world()), Outcome::mismatch, wanted);
}

TEST_CASE("what nobody alive uses can become another kind, and loses who waited for the old one") {
  MaybeRecord record = held_by(hold_of(agent('a')));
  record->waiters = {wait_of(agent('c'), 5)};
  const Result result = acquire(record, permits(by(agent('b')), 2, 3), 20, world("ac"));
  CHECK(result.outcome == Outcome::granted);
  CHECK(result.owner_died);
  CHECK(result.record ==
        LockRecord{.kind = Kind::semaphore, .fence = 20, .limit = 3, .holders = {user('b', 2, 20)}});
}

TEST_CASE("a release takes away one level, and with the last one the record") {
  const Hold own = hold_of(agent('a'), 10, Mode::exclusive, 3);
  Result result = release(held_by(own, Kind::rlock), agent('a'), 10, 1, world());
  CHECK(result.outcome == Outcome::shallower);
  CHECK(result.record->holders.front().count == 2);
  result = release(held_by(hold_of(agent('a')), Kind::rlock), agent('a'), std::nullopt, 1, world());
  CHECK(result.outcome == Outcome::released);
  CHECK(result.changed);
  CHECK(result.record == std::nullopt);
}

TEST_CASE("permits come back some or all at once, and a reader's without the others'") {
  const MaybeRecord record = semaphore(5, {user('a', 3), user('b', 2, 11)});
  const Result some = release(record, agent('a'), 10, 2, world());
  CHECK(some.outcome == Outcome::shallower);
  CHECK(some.record->holders == std::vector<Hold>{user('a', 1), user('b', 2, 11)});
  const Result all = release(record, agent('b'), 11, 2, world());
  CHECK(all.outcome == Outcome::released);
  CHECK(all.record->holders == std::vector<Hold>{user('a', 3)});
  const Result read = release(rwlock({reader('a'), reader('b', 11)}), agent('a'), 10, 1, world());
  CHECK(read.outcome == Outcome::released);
  CHECK(read.record->holders == std::vector<Hold>{reader('b', 11)});
}

TEST_CASE("a release changes nothing unless owner and fence are right") {
  for (const MaybeRecord& record : {MaybeRecord(), MaybeRecord(LockRecord{}), held_by(hold_of(agent('b'))),
                                    held_by(hold_of(agent('a', 2))), held_by(hold_of(agent('b'), 20)),
                                    rwlock({reader('b'), reader('c', 20)})}) {
    check_untouched(release(record, agent('a'), std::nullopt, 1, world()), Outcome::not_owner, record);
    check_untouched(release(record, agent('a'), 20, 1, world()), Outcome::lost, record);
  }
  // The same agent, but another grant.
  const MaybeRecord newer = held_by(hold_of(agent('a'), 30));
  check_untouched(release(newer, agent('a'), 20, 1, world()), Outcome::lost, newer);
}

TEST_CASE("a lease is renewed to where it was asked, but not beyond its utmost") {
  Hold leased = hold_of(agent('a'));
  leased.lease = kNow + 10;
  Result result = renew(held_by(leased), agent('a'), 10, kNow + 50, world());
  CHECK(result.outcome == Outcome::renewed);
  CHECK(result.changed);
  CHECK(result.record->holders.front().lease == kNow + 50);
  leased.most = kNow + 30;
  result = renew(held_by(leased), agent('a'), 10, kNow + 50, world());
  CHECK(result.record->holders.front().lease == kNow + 30);
  // Its utmost has passed.
  const MaybeRecord record = held_by(leased);
  check_untouched(renew(record, agent('a'), 10, kNow + 50, world("", kNow + 30)), Outcome::lost, record);
}

TEST_CASE("a lease that is over can be renewed until somebody else has the lock") {
  Hold leased = hold_of(agent('a'));
  leased.lease = kNow - 10;
  const Result result = renew(held_by(leased), agent('a'), 10, kNow + 50, world());
  CHECK(result.outcome == Outcome::renewed);
  CHECK(acquire(result.record, by(agent('b')), 20, world()).outcome == Outcome::busy);
  const Result taken = acquire(held_by(leased), by(agent('b')), 20, world());
  REQUIRE(taken.outcome == Outcome::granted);
  check_untouched(renew(taken.record, agent('a'), 10, kNow + 50, world()), Outcome::lost, taken.record);
}

TEST_CASE("a lease is only renewed by agent and fence, and towards the future") {
  Hold leased = hold_of(agent('a'));
  leased.lease = kNow + 10;
  const MaybeRecord record = held_by(leased);
  check_untouched(renew(record, agent('a', 2), 10, kNow + 50, world()), Outcome::lost, record);
  check_untouched(renew(record, agent('a'), 11, kNow + 50, world()), Outcome::lost, record);
  check_untouched(renew(record, agent('a'), 10, kNow, world()), Outcome::lost, record);
  check_untouched(renew(std::nullopt, agent('a'), 10, kNow + 50, world()), Outcome::lost, std::nullopt);
}

TEST_CASE("the lease of a grant that is kept is measured on the wall clock") {
  Hold kept = hold_of(agent('a'));
  kept.keep = true;
  kept.lease = 5 * kNow;
  World around = world();
  around.boottime_us = 9 * kNow;
  CHECK(renew(held_by(kept), agent('a'), 10, 6 * kNow, around).outcome == Outcome::renewed);
  around.wall_us = 6 * kNow;
  CHECK(renew(held_by(kept), agent('a'), 10, 6 * kNow, around).outcome == Outcome::lost);
}

TEST_CASE("clearing takes what has ended, and what has not only by fence and force") {
  const MaybeRecord record = held_by(hold_of(agent('a')));
  const auto outcome = [&](std::optional<std::uint64_t> fence, bool force, const World& around) {
    const Result result = clear(record, fence, force, 20, around);
    CHECK(result.changed == (result.outcome == Outcome::cleared));
    return result.outcome;
  };
  CHECK(clear(std::nullopt, std::nullopt, true, 20, world()).outcome == Outcome::absent);
  CHECK(outcome(std::nullopt, false, world("a")) == Outcome::cleared);
  CHECK(outcome(10, false, world("a")) == Outcome::cleared);
  CHECK(outcome(11, true, world("a")) == Outcome::refused);
  for (const World& around : {world(), unsure()}) {
    CHECK(outcome(std::nullopt, false, around) == Outcome::refused);
    CHECK(outcome(std::nullopt, true, around) == Outcome::refused);
    CHECK(outcome(10, false, around) == Outcome::refused);
    CHECK(outcome(11, true, around) == Outcome::refused);
    CHECK(outcome(10, true, around) == Outcome::cleared);
  }
}

TEST_CASE("clearing takes a number, leaves the other grants, and nothing where none is left") {
  const Result one = clear(rwlock({reader('a'), reader('b', 11)}), 11, true, 20, world());
  CHECK(one.number_used);
  CHECK(one.record->fence == 20);
  CHECK(one.record->holders == std::vector<Hold>{reader('a')});
  const Result last = clear(one.record, 10, true, 30, world());
  CHECK(last.outcome == Outcome::cleared);
  CHECK(last.number_used);
  CHECK(last.record == std::nullopt);
  const Result dead = clear(rwlock({reader('a'), reader('b', 11)}), std::nullopt, false, 20, world("b"));
  CHECK(dead.record->holders == std::vector<Hold>{reader('a')});
}
