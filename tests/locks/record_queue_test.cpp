// SPDX-License-Identifier: Apache-2.0
//
// The machine of locks, with those who wait: places in the queue, turns, who is woken, what a waiter looks
// at.
#include <string>
#include <utility>
#include <vector>

#include "locks/record.hpp"
#include "locks/record_samples.hpp"
#include "support/check.hpp"

using namespace dcache::locking;

namespace {

using MaybeRecord = std::optional<LockRecord>;

/// Held by the agent of session `holder`, if any, and waited for by those of `waiters` with tickets 1, 2, 3.
MaybeRecord queue(const std::string& holder, const std::string& waiters) {
  MaybeRecord record = LockRecord{.fence = 10};
  if (!holder.empty()) record->holders.push_back(hold_of(agent(holder[0])));
  for (const char name : waiters) {
    record->waiters.push_back(wait_of(agent(name), record->waiters.size() + 1));
  }
  return record;
}

MaybeRecord with_turn(MaybeRecord record, std::uint64_t ticket, std::int64_t until = kNow + kTurn) {
  record->turn = Turn{.ticket = ticket, .until = until};
  return record;
}

MaybeRecord aged(MaybeRecord record, std::size_t which = 0) {
  record->waiters[which].since = kNow - 2 * kAge;
  return record;
}

MaybeRecord late(MaybeRecord record, std::size_t which) {
  record->waiters[which].late = true;
  return record;
}

MaybeRecord rwlock(MaybeRecord record, const std::string& modes) {
  record->kind = Kind::rwlock;
  for (std::size_t i = 0; i < record->waiters.size(); ++i) {
    record->waiters[i].mode = modes[i] == 's' ? Mode::shared : Mode::exclusive;
  }
  return record;
}

std::string waiting(const MaybeRecord& record) {
  std::string out;
  for (const Wait& wait : record->waiters) out += wait.who.session;
  return out;
}

/// Whose turn it is; '-' for nobody's.
char turn(const MaybeRecord& record) {
  if (!record || !record->turn) return '-';
  for (const Wait& wait : record->waiters) {
    if (wait.ticket == record->turn->ticket) return wait.who.session[0];
  }
  return '?';
}

Result joins(const MaybeRecord& record, char name, std::uint64_t ticket = 0, const World& around = world()) {
  return acquire(record, wish_of(agent(name), locking::Queue::join, ticket, record->kind), 20, around);
}

Result tries(const MaybeRecord& record, char name, const World& around = world()) {
  return acquire(record, wish_of(agent(name), locking::Queue::stay_out, 0, record->kind), 20, around);
}

Result gives_back(const MaybeRecord& record, char name, const World& around = world()) {
  return release(record, agent(name), std::nullopt, 1, around);
}

Look looks(const MaybeRecord& record, char name, std::uint64_t ticket, const World& around = world()) {
  return look(record, wish_of(agent(name), locking::Queue::join, ticket, record->kind), around);
}

}  // namespace

TEST_CASE("who does not get the lock gets a place in the queue, if it wants one") {
  const MaybeRecord record = queue("a", "b");
  const Result tried = tries(record, 'c');
  CHECK(tried.outcome == Outcome::busy);
  CHECK_FALSE(tried.changed);
  CHECK(tried.ticket == 0);

  Wish wish = permits(wish_of(agent('c'), locking::Queue::join), 2, 3);
  wish.fair = true;
  MaybeRecord counted = queue("", "");
  counted->kind = Kind::semaphore;
  counted->limit = 3;
  counted->holders = {hold_of(agent('a'), 10, Mode::permits, 2)};
  const Result joined = acquire(counted, wish, 20, world());
  CHECK(joined.outcome == Outcome::busy);
  CHECK(joined.changed);
  CHECK(joined.number_used);
  CHECK(joined.ticket == 20);
  Wait place = wait_of(agent('c'), 20, Mode::permits, 2);
  place.fair = true;
  CHECK(joined.record->waiters == std::vector<Wait>{place});
  CHECK(joined.record->fence == 10);
}

TEST_CASE("one place in the queue is enough, and one that is gone is taken anew") {
  const MaybeRecord record = queue("a", "bc");
  const Result again = joins(record, 'c', 2);
  CHECK_FALSE(again.changed);
  CHECK_FALSE(again.number_used);
  CHECK(again.ticket == 2);
  const Result anew = joins(record, 'd', 7);
  CHECK(anew.ticket == 20);
  CHECK(waiting(anew.record) == "bcd");
}

TEST_CASE("who queues for a lock that has become free gets it at once") {
  const Result result = acquire(std::nullopt, wish_of(agent('a'), locking::Queue::join), 20, world());
  CHECK(result.outcome == Outcome::granted);
  CHECK(result.ticket == 0);
  CHECK(result.record->waiters.empty());
}

TEST_CASE("a release keeps the lock free for the first waiter, and wakes it") {
  const Result result = gives_back(queue("a", "bc"), 'a');
  CHECK(result.outcome == Outcome::released);
  CHECK(result.record->holders.empty());
  CHECK(result.record->turn == Turn{.ticket = 1, .until = kNow + kTurn});
  CHECK(letters(result.wake) == "b");
  // Neither is a holder before it has acted.
  const Result granted = joins(result.record, 'b', 1);
  CHECK(granted.outcome == Outcome::granted);
  CHECK(waiting(granted.record) == "c");
  CHECK(turn(granted.record) == '-');
}

TEST_CASE("after a long hold the second waiter is woken as well") {
  World around = world();
  around.wall_us = kNow + kLongHold;
  CHECK(letters(gives_back(queue("a", "bcd"), 'a', around).wake) == "bc");
}

TEST_CASE("a release passes over the dead and the late, and tidies the dead at the head away") {
  const Result past_dead = gives_back(queue("a", "bcd"), 'a', world("bc"));
  CHECK(waiting(past_dead.record) == "d");
  CHECK(turn(past_dead.record) == 'd');
  const Result past_late = gives_back(late(queue("a", "bc"), 0), 'a');
  CHECK(waiting(past_late.record) == "bc");
  CHECK(turn(past_late.record) == 'c');
  CHECK(letters(past_late.wake) == "c");
  CHECK(gives_back(queue("a", "b"), 'a', world("b")).record == std::nullopt);
}

TEST_CASE("a young waiter is overtaken, an old one or a fair one is not") {
  const MaybeRecord young = with_turn(queue("", "b"), 1);
  const Result taken = tries(young, 'c');
  CHECK(taken.outcome == Outcome::granted);
  CHECK(waiting(taken.record) == "b");
  CHECK(turn(taken.record) == '-');

  MaybeRecord fair = young;
  fair->waiters.front().fair = true;
  for (const MaybeRecord& record : {aged(young), fair}) {
    const Result refused = tries(record, 'c');
    CHECK(refused.outcome == Outcome::busy);
    CHECK_FALSE(refused.changed);
    // Who comes and finds it free wakes whose turn it is.
    CHECK(letters(refused.wake) == "b");
  }
  Wish wish = wish_of(agent('c'));
  wish.fair = true;
  CHECK(acquire(young, wish, 20, world()).outcome == Outcome::busy);
}

TEST_CASE("the age of a waiter is counted from when it queued") {
  MaybeRecord record = queue("", "b");
  record->waiters.front().since = kNow - kAge;
  CHECK(tries(record, 'c').outcome == Outcome::granted);
  CHECK(tries(record, 'c', world("", kNow + 1)).outcome == Outcome::busy);
}

TEST_CASE("a fair waiter behind a young one is not overtaken, nor an old one behind whose turn it is") {
  MaybeRecord fair = queue("", "bc");
  fair->waiters[1].fair = true;
  CHECK(tries(fair, 'd').outcome == Outcome::busy);
  Wish own = wish_of(agent('c'), locking::Queue::join, 2);
  own.fair = true;
  CHECK(acquire(fair, own, 20, world()).outcome == Outcome::busy);
  CHECK(joins(fair, 'b', 1).outcome == Outcome::granted);
  CHECK(tries(late(fair, 1), 'd').outcome == Outcome::granted);
  CHECK(tries(fair, 'd', world("c")).outcome == Outcome::granted);

  // It was late and has shown up again, while somebody behind it has the turn.
  const MaybeRecord old = aged(with_turn(queue("", "bc"), 2));
  CHECK(tries(old, 'd').outcome == Outcome::busy);
  CHECK(joins(old, 'c', 2).outcome == Outcome::granted);
}

TEST_CASE("a free lock without a turn is offered to the first by whoever must let it go first") {
  const Result result = joins(aged(queue("", "b")), 'c');
  CHECK(result.outcome == Outcome::busy);
  CHECK(waiting(result.record) == "bc");
  CHECK(turn(result.record) == 'b');
  CHECK(letters(result.wake) == "b");
}

TEST_CASE("who lets its turn pass is late, is woken once more, and is passed over") {
  const MaybeRecord record = aged(aged(with_turn(queue("", "bc"), 1, kNow)), 1);
  const Result result = joins(record, 'c', 2);
  CHECK(result.outcome == Outcome::granted);
  CHECK(waiting(result.record) == "b");
  CHECK(result.record->waiters.front().late);
  CHECK(letters(result.wake) == "b");
  // Until the turn has lapsed it stands.
  CHECK(joins(record, 'c', 2, world("", kNow - 1)).outcome == Outcome::busy);
}

TEST_CASE("who comes late to its turn still gets the lock if nobody has taken it") {
  CHECK(joins(with_turn(queue("", "b"), 1, kNow - 1), 'b', 1).outcome == Outcome::granted);
  CHECK(joins(late(queue("", "bc"), 0), 'b', 1).outcome == Outcome::granted);
}

TEST_CASE("a late waiter that acts is not late any more, and who stood in for it looks anew") {
  const Result result = joins(late(queue("a", "bc"), 0), 'b', 1);
  CHECK(result.outcome == Outcome::busy);
  CHECK(result.changed);
  CHECK_FALSE(result.record->waiters.front().late);
  CHECK(letters(result.wake) == "c");
  CHECK(result.ticket == 1);
}

TEST_CASE("the turn of a dead waiter is nobody's") {
  const MaybeRecord record = aged(aged(with_turn(queue("", "bc"), 1)), 1);
  CHECK(joins(record, 'c', 2, world("b")).outcome == Outcome::granted);
  const Result offered = tries(record, 'd', world("b"));
  CHECK(offered.outcome == Outcome::busy);
  CHECK(turn(offered.record) == 'c');
  CHECK(letters(offered.wake) == "c");
}

TEST_CASE("if only late ones are left, a release wakes the first, so that it shows up") {
  const Result result = gives_back(late(queue("a", "b"), 0), 'a');
  CHECK(letters(result.wake) == "b");
  CHECK(joins(result.record, 'b', 1).outcome == Outcome::granted);
}

TEST_CASE("a waiter leaves, and those who go by it are woken") {
  for (const char* holder : {"a", ""}) {
    const Result first = cancel(queue(holder, "bcd"), 1, world());
    CHECK(first.outcome == Outcome::left);
    CHECK(waiting(first.record) == "cd");
    CHECK(letters(first.wake) == "c");
    const Result second = cancel(queue(holder, "bcd"), 2, world());
    CHECK(waiting(second.record) == "bd");
    CHECK(letters(second.wake) == "db");
    // A turn is handed on with the place.
    CHECK(turn(first.record) == (*holder == 0 ? 'c' : '-'));
  }
  CHECK(turn(cancel(with_turn(queue("", "bc"), 1), 1, world()).record) == 'c');
  CHECK(cancel(queue("", "b"), 1, world()).record == std::nullopt);
}

TEST_CASE("who leaves without waiting changes nothing") {
  const MaybeRecord record = queue("a", "b");
  for (const std::uint64_t ticket : {0U, 7U}) {
    const Result result = cancel(record, ticket, world());
    CHECK(result.outcome == Outcome::absent);
    CHECK_FALSE(result.changed);
    CHECK(result.record == record);
  }
  CHECK(cancel(std::nullopt, 1, world()).outcome == Outcome::absent);
}

TEST_CASE("a waiter whose time is out gets the lock if it can, and else leaves") {
  const auto last_try = [](const MaybeRecord& record, char name, std::uint64_t ticket) {
    return acquire(record, wish_of(agent(name), locking::Queue::leave, ticket), 20, world());
  };
  const Result got = last_try(with_turn(queue("", "bc"), 1), 'b', 1);
  CHECK(got.outcome == Outcome::granted);
  CHECK(waiting(got.record) == "c");
  const Result left = last_try(queue("a", "bc"), 'b', 1);
  CHECK(left.outcome == Outcome::busy);
  CHECK(left.ticket == 0);
  CHECK(waiting(left.record) == "c");
  CHECK(letters(left.wake) == "c");
  const Result passed = last_try(aged(with_turn(queue("", "bc"), 1)), 'c', 2);
  CHECK(passed.outcome == Outcome::busy);
  CHECK(waiting(passed.record) == "b");
  CHECK(turn(passed.record) == 'b');
}

TEST_CASE("a reader that gets in lets the next reader in, and no writer") {
  const MaybeRecord free = with_turn(rwlock(queue("", "bcd"), "ssx"), 1);
  const auto reads = [](const MaybeRecord& record, char name, std::uint64_t ticket) {
    return acquire(record, shared(wish_of(agent(name), locking::Queue::join, ticket)), 20, world());
  };
  const Result first = reads(free, 'b', 1);
  CHECK(first.outcome == Outcome::granted);
  CHECK(turn(first.record) == 'c');
  CHECK(letters(first.wake) == "c");
  const Result second = reads(first.record, 'c', 2);
  CHECK(second.outcome == Outcome::granted);
  CHECK(turn(second.record) == '-');
  CHECK(second.wake.empty());
}

TEST_CASE("whatever comes back, the first is told, and gets a turn if it is enough") {
  MaybeRecord record = rwlock(queue("", "c"), "x");
  record->holders = {hold_of(agent('a'), 10, Mode::shared), hold_of(agent('b'), 11, Mode::shared)};
  const Result one = gives_back(record, 'a');
  CHECK(turn(one.record) == '-');
  CHECK(letters(one.wake) == "c");
  CHECK(turn(gives_back(one.record, 'b').record) == 'c');
}

TEST_CASE("one permit given out may change whom the first waiter has to watch") {
  MaybeRecord record = queue("", "c");
  record->kind = Kind::semaphore;
  record->limit = 3;
  record->holders = {hold_of(agent('a'), 10, Mode::permits, 2)};
  record->waiters.front().mode = Mode::permits;
  record->waiters.front().count = 2;
  const Result result = acquire(record, permits(wish_of(agent('b')), 1, 3), 20, world());
  CHECK(result.outcome == Outcome::granted);
  CHECK(letters(result.wake) == "c");
  CHECK(turn(result.record) == '-');
}

TEST_CASE("a grant with a lease is told to the first waiter, which sleeps no longer than that") {
  Wish wish = wish_of(agent('b'), locking::Queue::join, 1);
  wish.hold.lease = kNow + 100;
  const Result result = acquire(with_turn(queue("", "bc"), 1), wish, 20, world());
  CHECK(result.outcome == Outcome::granted);
  CHECK(letters(result.wake) == "c");
  CHECK(looks(result.record, 'c', 2).next == kNow + 100);
}

TEST_CASE("renewing a lease that was over takes back a turn, and makes nobody late") {
  MaybeRecord record = queue("a", "bc");
  record->holders.front().lease = kNow;
  const Result offered = tries(aged(record), 'd');
  CHECK(turn(offered.record) == 'b');
  const Result renewed = renew(offered.record, agent('a'), 10, kNow + 9 * kTurn, world());
  CHECK(renewed.outcome == Outcome::renewed);
  CHECK(turn(renewed.record) == '-');
  const Result released = gives_back(renewed.record, 'a', world("", kNow + 2 * kTurn));
  CHECK(turn(released.record) == 'b');
}

TEST_CASE("a lease that is renewed to an earlier end is told to the first waiter") {
  MaybeRecord record = queue("a", "bc");
  record->holders.front().lease = kNow + 100;
  CHECK(letters(renew(record, agent('a'), 10, kNow + 50, world()).wake) == "b");
  CHECK(renew(record, agent('a'), 10, kNow + 150, world()).wake.empty());
}

TEST_CASE("a late waiter is told that the lock has become one of another kind") {
  const Result result = acquire(late(queue("", "b"), 0), permits(wish_of(agent('c')), 1, 3), 20, world());
  CHECK(result.outcome == Outcome::granted);
  CHECK(result.record->waiters.empty());
  CHECK(letters(result.wake) == "b");
}

TEST_CASE("clearing gives the first waiter its turn, and wakes the second as well") {
  const Result result = clear(queue("a", "bcd"), 10, true, 20, world());
  CHECK(result.outcome == Outcome::cleared);
  CHECK(result.record->fence == 20);
  CHECK(turn(result.record) == 'b');
  CHECK(letters(result.wake) == "bc");
  CHECK(clear(queue("", "b"), std::nullopt, false, 20, world()).outcome == Outcome::absent);
}

TEST_CASE("a waiter acts when the lock is free for it, or when it is not in the queue, or late") {
  CHECK(looks(std::nullopt, 'b', 1).act);
  CHECK(looks(queue("a", "b"), 'b', 7).act);
  CHECK(looks(late(queue("a", "b"), 0), 'b', 1).act);
  CHECK(looks(queue("", "b"), 'b', 1).act);
  CHECK(looks(queue("a", "b"), 'b', 1, world("a")).act);
  CHECK(looks(with_turn(queue("", "b"), 1), 'b', 1).act);
  CHECK_FALSE(looks(queue("a", "b"), 'b', 1).act);
}

TEST_CASE("while another's turn stands a waiter sleeps until it lapses, and wakes that one") {
  const MaybeRecord record = aged(aged(with_turn(queue("", "bc"), 1)), 1);
  const Look seen = looks(record, 'c', 2);
  CHECK_FALSE(seen.act);
  CHECK(seen.next == kNow + kTurn);
  CHECK(letters(seen.watch) == "b");
  CHECK(seen.wake == agent('b'));
  CHECK(seen.ahead == 1);
  CHECK(looks(record, 'c', 2, world("b")).act);
  CHECK(looks(record, 'c', 2, world("", kNow + kTurn)).act);
  // Nobody has been offered it yet.
  CHECK(looks(aged(queue("", "bc")), 'c', 2).act);
}

TEST_CASE("the first waiter watches all holders, any other the one before it") {
  MaybeRecord record = rwlock(queue("", "cde"), "xxx");
  record->holders = {hold_of(agent('a'), 10, Mode::shared), hold_of(agent('b'), 11, Mode::shared)};
  CHECK(letters(looks(record, 'c', 1).watch) == "ab");
  CHECK(letters(looks(record, 'd', 2).watch) == "c");
  CHECK(letters(looks(record, 'e', 3).watch) == "d");
  CHECK(looks(record, 'e', 3).ahead == 2);
  CHECK(letters(looks(record, 'e', 3, world("d")).watch) == "c");
  CHECK(letters(looks(record, 'd', 2, world("c")).watch) == "ab");
}

TEST_CASE("nobody watches the dead, which would wake it again and again") {
  MaybeRecord record = rwlock(queue("", "cd"), "xx");
  record->holders = {hold_of(agent('a'), 10, Mode::shared), hold_of(agent('b'), 11, Mode::shared)};
  record->holders[0].lease = kNow - 1;
  const Look seen = looks(record, 'c', 1);
  CHECK(letters(seen.watch) == "b");
  CHECK_FALSE(seen.next.has_value());
  CHECK(letters(looks(with_turn(record, 2), 'c', 1, world("d")).watch) == "b");
}

TEST_CASE("who is behind a late waiter watches it, as well as what it would watch without that one") {
  const MaybeRecord record = late(queue("a", "bcd"), 0);
  CHECK(letters(looks(record, 'c', 2).watch) == "ba");
  CHECK(letters(looks(record, 'd', 3).watch) == "c");
}

TEST_CASE("who gets the lock before its predecessor leaves its successor another one to watch") {
  const Result early = joins(late(queue("", "bcd"), 0), 'c', 2);
  CHECK(early.outcome == Outcome::granted);
  CHECK(letters(early.wake) == "d");
  CHECK(letters(looks(early.record, 'd', 3).watch) == "bc");
  CHECK(joins(queue("", "bcd"), 'b', 1).wake.empty());
  CHECK(joins(queue("", "bcd"), 'c', 2, world("b")).wake.empty());
}

TEST_CASE("the first waiter looks again when the earliest lease ends") {
  MaybeRecord record = rwlock(queue("", "c"), "x");
  record->holders = {hold_of(agent('a'), 10, Mode::shared), hold_of(agent('b'), 11, Mode::shared)};
  record->holders[0].lease = kNow + 9;
  record->holders[1].lease = 7 * kNow + 5;
  record->holders[1].keep = true;
  World around = world();
  around.wall_us = 7 * kNow;
  const Look seen = looks(record, 'c', 1, around);
  CHECK(seen.next == kNow + 5);
  CHECK(letters(seen.watch) == "a");
}

TEST_CASE("who waits behind more than there is does not try again and again") {
  MaybeRecord record = queue("", "bcd");
  record->kind = Kind::semaphore;
  record->limit = 2;
  record->holders = {hold_of(agent('a'), 10, Mode::permits, 1)};
  for (Wait& wait : record->waiters) wait.mode = Mode::permits;
  record->waiters[0].count = 2;
  record->waiters[1].fair = true;
  const Look seen = look(record, permits(wish_of(agent('d'), locking::Queue::join, 3), 1, 2), world());
  CHECK_FALSE(seen.act);
  CHECK(letters(seen.watch) == "c");
}

TEST_CASE("waiters who died behind a live one do not pile up") {
  MaybeRecord record = queue("h", "a");
  for (std::uint64_t ticket = 100; ticket < 140; ++ticket) {
    record = acquire(record, wish_of(agent('d', ticket), locking::Queue::join), ticket, world()).record;
    record =
        acquire(record, wish_of(agent('l', ticket), locking::Queue::join), ticket + 1000, world()).record;
  }
  record = acquire(record, wish_of(agent('z'), locking::Queue::join), 5000, world()).record;
  CHECK(record->waiters.size() == 82);
  // From now on session d is dead.
  for (std::uint64_t ticket = 6000; ticket < 6020; ++ticket) {
    record = acquire(record, wish_of(agent('y', ticket), locking::Queue::join), ticket, world("d")).record;
  }
  CHECK(waiting(record).find('d') == std::string::npos);
  CHECK(record->waiters.size() == 62);
  CHECK(record->waiters.front().who == agent('a'));
}
