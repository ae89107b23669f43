// SPDX-License-Identifier: Apache-2.0
//
// Machines with one rule broken, each caught by the explorer: so the rules are needed, and the explorer would
// notice if one got lost.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "machine/explorer.hpp"
#include "support/check.hpp"

using namespace dcache::locking;

namespace {

using Recorded = std::optional<LockRecord>;

Setting three(const Ask& ask) { return {.name = "", .agents = {{ask}, {ask}, {ask}}}; }

Setting dying(Setting setting, unsigned crashes = 1) {
  setting.crashes = crashes;
  return setting;
}

Setting giving_up(Setting setting) {
  setting.leaves = 1;
  return setting;
}

/// Explores a machine in a world where the real one is right, and tells what the explorer says.
std::string caught(const Setting& setting, const Machine& machine) {
  const Report report = explore(setting, machine);
  MESSAGE(report.violation, " after ", report.states, " states");
  CHECK_FALSE(report.trace.empty());
  return report.violation;
}

/// A machine whose acquire does something to each result.
template <class F>
Machine with_acquire(F&& spoil) {
  Machine machine;
  machine.acquire = [spoil](const Recorded& record, const Wish& wish, std::uint64_t number,
                            const World& world) {
    Result result = acquire(record, wish, number, world);
    spoil(record, wish, result);
    return result;
  };
  return machine;
}

template <class F>
Machine with_release(F&& spoil) {
  Machine machine;
  machine.release = [spoil](const Recorded& record, const Agent& who, std::optional<std::uint64_t> fence,
                            std::uint64_t count, const World& world) {
    Result result = release(record, who, fence, count, world);
    spoil(result);
    return result;
  };
  return machine;
}

template <class F>
Machine with_look(F&& spoil) {
  Machine machine;
  machine.look = [spoil](const Recorded& record, const Wish& wish, const World& world) {
    Look seen = look(record, wish, world);
    spoil(record, seen);
    return seen;
  };
  return machine;
}

/// Nobody who waits is dead; holders are.
World blind(const Recorded& record, const World& world) {
  World other = world;
  other.alive = [record, world](const std::string& session) {
    const bool waits = record && std::any_of(record->waiters.begin(), record->waiters.end(),
                                             [&](const Wait& wait) { return wait.who.session == session; });
    return waits ? Liveness::alive : world.alive(session);
  };
  return other;
}

}  // namespace

TEST_CASE("a machine that lets anybody release is caught") {
  Machine machine;
  machine.release = [](const Recorded& record, const Agent& who, std::optional<std::uint64_t> fence,
                       std::uint64_t count, const World& world) {
    if (!record || record->holders.empty()) return release(record, who, fence, count, world);
    const Hold& hold = record->holders.front();
    return release(record, hold.who, hold.fence, count, world);
  };
  Setting setting = three(kLock);
  setting.strays = true;
  CHECK(has(caught(setting, machine), "I3"));
  // Without strays it takes a holder that has lost what it holds.
  CHECK(has(caught(three(kLeased), machine), "I3"));
}

TEST_CASE("a machine that grants under an old fence is caught") {
  const Machine machine = with_acquire([](const Recorded& before, const Wish&, Result& result) {
    if (result.outcome != Outcome::granted || !before) return;
    result.number_used = false;
    result.record->fence = result.record->holders.back().fence = before->fence;
  });
  CHECK(has(caught(three(kLock), machine), "I2"));
}

TEST_CASE("a machine that forgets to say that it used its number is caught") {
  const Machine machine =
      with_acquire([](const Recorded&, const Wish&, Result& result) { result.number_used = false; });
  CHECK(has(caught(three(kLock), machine), "I2"));
}

TEST_CASE("a machine that takes a lock from a live holder is caught") {
  Machine machine;
  machine.acquire = [](const Recorded& record, const Wish& wish, std::uint64_t number, const World& world) {
    World other = world;
    other.alive = [&](const std::string& session) {
      const bool taken = record && record->waiters.size() > 1 && !record->holders.empty() &&
                         record->holders.front().who.session == session;
      return taken ? Liveness::dead : world.alive(session);
    };
    return acquire(record, wish, number, other);
  };
  CHECK(has(caught(three(kLock), machine), "I4"));
}

TEST_CASE("a machine that lets a writer in beside readers, or too many permits out, is caught") {
  Machine machine;
  machine.acquire = [](const Recorded& record, const Wish& wish, std::uint64_t number, const World& world) {
    Wish other = wish;
    if (record && wish.kind == Kind::rwlock) other.hold.mode = Mode::shared;
    if (wish.kind == Kind::semaphore) other.hold.count = 1;
    Result result = acquire(record, other, number, world);
    if (result.outcome == Outcome::granted) {
      result.record->holders.back().mode = wish.hold.mode;
      result.record->holders.back().count = wish.hold.count;
    }
    return result;
  };
  CHECK(has(caught({.name = "", .agents = {{kRead}, {kWrite}}}, machine), "I1"));
  CHECK(has(caught({.name = "", .agents = {{kOne}, {kTwo}}, .limit = 2}, machine), "I1"));
}

TEST_CASE("a machine that lets a fair waiter be overtaken is caught") {
  Machine machine;
  machine.acquire = [](const Recorded& record, const Wish& wish, std::uint64_t number, const World& world) {
    if (!record || !is_free(*record, wish.hold.mode, wish.hold.count, world)) {
      return acquire(record, wish, number, world);
    }
    LockRecord alone = *record;
    alone.waiters.clear();
    Result result = acquire(alone, wish, number, world);
    for (const Wait& wait : record->waiters) {
      if (wait.ticket != wish.ticket) result.record->waiters.push_back(wait);
    }
    return result;
  };
  CHECK(has(caught(three(kFair), machine), "I5"));
  CHECK(has(caught(three(kLock), machine), "I5"));  // by one that is old
}

TEST_CASE("a machine that does not pass over the dead who wait is caught") {
  Machine machine;
  machine.acquire = [](const Recorded& record, const Wish& wish, std::uint64_t number, const World& world) {
    return acquire(record, wish, number, blind(record, world));
  };
  machine.release = [](const Recorded& record, const Agent& who, std::optional<std::uint64_t> fence,
                       std::uint64_t count, const World& world) {
    return release(record, who, fence, count, blind(record, world));
  };
  machine.cancel = [](const Recorded& record, std::uint64_t ticket, const World& world) {
    return cancel(record, ticket, blind(record, world));
  };
  CHECK(has(caught(dying(three(kLock)), machine), "I6"));
  machine.look = [](const Recorded& record, const Wish& wish, const World& world) {
    return look(record, wish, blind(record, world));
  };
  CHECK(has(caught(dying(three(kLock)), machine), "L2"));
}

TEST_CASE("a machine whose release makes the next waiter the holder is caught") {
  const Machine machine = with_release([](Result& result) {
    if (!result.record || !result.record->turn) return;
    const Wait next = result.record->waiters.front();
    Hold hold;
    hold.owner = next.owner;
    hold.who = next.who;
    hold.fence = result.record->fence;
    result.record->holders = {hold};
    result.record->waiters.erase(result.record->waiters.begin());
    result.record->turn.reset();
  });
  CHECK(has(caught(three(kLock), machine), "holds by what somebody else did"));
}

TEST_CASE("a machine whose first waiter watches no holder is caught") {
  const Machine machine = with_look([](const Recorded& record, Look& seen) {
    if (seen.ahead == 0 && record && !record->holders.empty()) seen.watch.clear();
  });
  CHECK(has(caught(dying(three(kLock)), machine), "L1"));
}

TEST_CASE("a machine whose waiters do not watch the one before them is caught") {
  const Machine machine = with_look([](const Recorded&, Look& seen) {
    if (seen.ahead > 0 && !seen.next) seen.watch.clear();
  });
  CHECK(has(caught(dying(three(kLock)), machine), "L1"));
}

TEST_CASE("a machine that wakes nobody when a waiter leaves is caught") {
  Machine machine = with_acquire([](const Recorded&, const Wish& wish, Result& result) {
    if (wish.queue == Queue::leave) result.wake.clear();
  });
  machine.cancel = [](const Recorded& record, std::uint64_t ticket, const World& world) {
    Result result = cancel(record, ticket, world);
    result.wake.clear();
    return result;
  };
  CHECK(has(caught(giving_up(three(kLock)), machine), "L1"));
}

TEST_CASE("a machine whose release wakes nobody is caught") {
  const Machine machine = with_release([](Result& result) { result.wake.clear(); });
  CHECK(has(caught(three(kLock), machine), "L1"));
}

TEST_CASE("a machine whose release of a part wakes nobody is caught") {
  const Machine machine = with_release([](Result& result) {
    if (result.record && !result.record->holders.empty()) result.wake.clear();
  });
  CHECK(has(caught({.name = "", .agents = {{kOne}, {kOne}, {kOne}}, .limit = 2}, machine), "L1"));
}

TEST_CASE("a machine that lets in one reader and does not wake the next is caught") {
  const Machine machine = with_acquire([](const Recorded&, const Wish& wish, Result& result) {
    if (result.outcome == Outcome::granted && wish.hold.mode == Mode::shared) result.wake.clear();
  });
  CHECK(has(caught({.name = "", .agents = {{kRead}, {kRead}, {kWrite}}}, machine), "L1"));
}

TEST_CASE("a machine that never forgives one that was late is caught") {
  const Machine machine = with_acquire([](const Recorded& before, const Wish& wish, Result& result) {
    if (!before || !result.record) return;
    for (const Wait& wait : before->waiters) {
      for (Wait& now : result.record->waiters) {
        if (now.ticket == wait.ticket && now.ticket == wish.ticket) now.late = wait.late;
      }
    }
  });
  CHECK_FALSE(caught(three(kLock), machine).empty());
}

TEST_CASE("a machine that tells nobody of a lease is caught") {
  const Machine machine = with_acquire([](const Recorded&, const Wish& wish, Result& result) {
    if (result.outcome == Outcome::granted && wish.hold.lease) result.wake.clear();
  });
  CHECK(has(caught(three(kLeased), machine), "L1"));
}

TEST_CASE("a machine whose waiters do not look again when a lease or a turn ends is caught") {
  const Machine machine = with_look([](const Recorded&, Look& seen) { seen.next.reset(); });
  CHECK(has(caught(three(kLeased), machine), "L1"));
  Setting stopped = three(kLock);
  stopped.stops = 1;
  CHECK(explore(stopped, machine).violation.empty());  // slices do
}

TEST_CASE("a machine that tells nobody of permits that went out is caught") {
  const Machine machine = with_acquire([](const Recorded&, const Wish& wish, Result& result) {
    if (result.outcome == Outcome::granted && wish.hold.mode == Mode::permits && !result.record->turn) {
      result.wake.clear();
    }
  });
  Setting setting{.name = "", .agents = {{kOne}, {kOne}, {kOne, kTwo}}, .limit = 2};
  CHECK(has(caught(giving_up(dying(setting)), machine), "L1"));
}

TEST_CASE("a machine whose newcomers and waiters do not wake whose turn it is is caught") {
  Machine machine = with_acquire([](const Recorded& before, const Wish&, Result& result) {
    if (result.outcome == Outcome::busy && before && before->turn) result.wake.clear();
  });
  machine.look = with_look([](const Recorded&, Look& seen) { seen.wake.reset(); }).look;
  CHECK(has(caught(dying(three(kLock)), machine), "L1"));
}

TEST_CASE("a machine whose waiters do not watch the late ones before them is caught") {
  const Machine machine = with_look([](const Recorded& record, Look& seen) {
    if (!record) return;
    for (const Wait& wait : record->waiters) {
      if (wait.late) std::erase(seen.watch, wait.who.session);
    }
  });
  CHECK(has(caught(dying(three(kLock)), machine), "L1"));
}

TEST_CASE("a machine without turns is caught when one is stopped") {
  const auto no_turn = [](Result result) {
    if (result.record && std::exchange(result.record->turn, std::nullopt)) result.wake.clear();
    return result;
  };
  Machine machine;
  machine.acquire = [=](const Recorded& record, const Wish& wish, std::uint64_t number, const World& world) {
    return no_turn(acquire(record, wish, number, world));
  };
  machine.release = [=](const Recorded& record, const Agent& who, std::optional<std::uint64_t> fence,
                        std::uint64_t count, const World& world) {
    const Result result = release(record, who, fence, count, world);
    Result without = no_turn(result);
    without.wake = result.wake;
    return without;
  };
  machine.cancel = [=](const Recorded& record, std::uint64_t ticket, const World& world) {
    return no_turn(cancel(record, ticket, world));
  };
  Setting setting = three(kLock);
  setting.stops = 1;
  CHECK(has(caught(setting, machine), "L"));
}

TEST_CASE("a release that makes no offer does no harm, as the next who comes or looks makes it") {
  const Machine machine = with_release([](Result& result) {
    if (result.record) result.record->turn.reset();
  });
  Setting setting = dying(three(kLock));
  CHECK(explore(setting, machine).violation.empty());
  setting.stops = 1;
  setting.most = static_cast<std::size_t>(rounds(500'000));
  CHECK(explore(setting, machine).violation.empty());
}

TEST_CASE("a machine that marks a waiter as late and does not wake it is caught") {
  const Machine machine = with_acquire([](const Recorded& before, const Wish&, Result& result) {
    if (!before || !result.record) return;
    for (const Wait& wait : result.record->waiters) {
      for (const Wait& old : before->waiters) {
        if (old.ticket == wait.ticket && wait.late && !old.late) std::erase(result.wake, wait.who);
      }
    }
  });
  CHECK(has(caught(giving_up(dying(three(kLock), 2)), machine), "L1"));
}

TEST_CASE("a machine that breaks a rule of upgrading is caught") {
  constexpr std::uint64_t kNobody = 0;
  const Setting two{.name = "", .agents = {{kRead, kWrite}, {kRead, kWrite}}, .leaves = 1, .exchanges = true};
  Setting three_readers = two;
  three_readers.agents.push_back({kRead});
  three_readers.crashes = 1;

  Machine machine;
  machine.upgrade = [](const Recorded& record, const Agent& who, std::uint64_t fence, bool,
                       std::uint64_t number,
                       const World& world) { return upgrade(record, who, fence, true, number, world); };
  CHECK(has(caught(two, machine), "does not wait to be exclusive keeps others out"));

  machine.upgrade = [](const Recorded& record, const Agent& who, std::uint64_t fence, bool wait,
                       std::uint64_t number, const World& world) {
    Recorded alone = record;
    if (alone) std::erase_if(alone->holders, [&](const Hold& hold) { return hold.who != who; });
    return upgrade(alone, who, fence, wait, number, world);
  };
  CHECK(has(caught(two, machine), "I4"));

  // Both wait for the other one to go.
  machine.upgrade = [](const Recorded& record, const Agent& who, std::uint64_t fence, bool wait,
                       std::uint64_t number, const World& world) {
    Recorded blind_to_others = record;
    if (blind_to_others) {
      for (Hold& hold : blind_to_others->holders) hold.upgrading = hold.upgrading && hold.who == who;
    }
    Result result = upgrade(blind_to_others, who, fence, wait, number, world);
    for (std::size_t i = 0; result.record && i < result.record->holders.size(); ++i) {
      Hold& hold = result.record->holders[i];
      const Hold* const before = find_hold(record, hold.who);
      if (before != nullptr && hold.who != who) hold.upgrading = before->upgrading;
    }
    return result;
  };
  CHECK(has(caught(two, machine), "two wait for each other"));

  machine.upgrade = [](const Recorded& record, const Agent& who, std::uint64_t fence, bool wait,
                       std::uint64_t,
                       const World& world) { return upgrade(record, who, fence, wait, kNobody, world); };
  CHECK(has(caught(two, machine), "I2"));

  // Whose turn it is finds the lock taken, is taken to be late, and sleeps for ever if who marks it so dies.
  machine.upgrade = [](const Recorded& record, const Agent& who, std::uint64_t fence, bool wait,
                       std::uint64_t number, const World& world) {
    Result result = upgrade(record, who, fence, wait, number, world);
    if (result.outcome == Outcome::busy && result.record) result.record->turn = record->turn;
    return result;
  };
  CHECK(has(caught(three_readers, machine), "L1"));

  CHECK(has(caught(three_readers, with_release([](Result& result) {
                     if (!result.record) return;
                     for (const Hold& hold : result.record->holders) {
                       if (hold.upgrading) std::erase(result.wake, hold.who);
                     }
                   })),
            "L1"));

  Machine loud;
  loud.downgrade = [](const Recorded& record, const Agent& who, std::uint64_t fence, const World& world) {
    Result result = downgrade(record, who, fence, world);
    result.wake.clear();
    return result;
  };
  CHECK(has(caught({.name = "", .agents = {{kRead, kWrite}, {kRead}}, .exchanges = true}, loud), "L1"));
}
