// SPDX-License-Identifier: Apache-2.0
#include "locks/record.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace dcache::locking {

namespace {

/// Every so many waiters the dead among them are removed.
constexpr std::size_t kSweep = 16;

/// A lock, an rlock and an rwlock exclude each other by what their grants allow; permits and limits do not
/// mix.
bool compatible(const LockRecord& record, const Wish& wish) {
  if (record.kind != Kind::semaphore && wish.kind != Kind::semaphore) return true;
  return record.kind == wish.kind && record.limit == wish.limit;
}

bool is_dead(const Wait& wait, const World& world) { return world.alive(wait.who.session) == Liveness::dead; }

const Wait* find_wait(const LockRecord& record, std::uint64_t ticket) {
  const auto found = std::find_if(record.waiters.begin(), record.waiters.end(),
                                  [&](const Wait& wait) { return wait.ticket == ticket; });
  return found == record.waiters.end() ? nullptr : &*found;
}

bool is_free_for(const LockRecord& record, const Wait& wait, const World& world) {
  return is_free(record, wait.mode, wait.count, world);
}

/// The first who may be served: not late, and not dead.
const Wait* first_ready(const LockRecord& record, const World& world, std::uint64_t but_not = 0) {
  const auto found = std::find_if(record.waiters.begin(), record.waiters.end(), [&](const Wait& wait) {
    return !wait.late && wait.ticket != but_not && !is_dead(wait, world);
  });
  return found == record.waiters.end() ? nullptr : &*found;
}

/// Whom `wish` must let go first on a lock that is free: who has the turn, or else is the oldest; none if
/// that is `wish` itself, or may be overtaken.
const Wait* blocker(const LockRecord& record, const Wish& wish, const World& world) {
  const Wait* first = record.turn ? find_wait(record, record.turn->ticket) : nullptr;
  if (first == nullptr) first = first_ready(record, world);
  if (first == nullptr || first->ticket == wish.ticket) return nullptr;
  const auto stands_first = [&](const Wait& wait) {
    return wait.fair || world.boottime_us - wait.since > kAge;
  };
  if (wish.fair || stands_first(*first)) return first;
  for (const Wait& ahead : record.waiters) {
    if (ahead.ticket == wish.ticket) break;
    if (stands_first(ahead) && !ahead.late && !is_dead(ahead, world)) return &ahead;
  }
  return nullptr;
}

/// A record while an event changes it, and what comes of that.
class Draft {
 public:
  Draft(LockRecord record, const World& world) : record_(std::move(record)), world_(world) {}

  LockRecord& operator*() noexcept { return record_; }
  LockRecord* operator->() noexcept { return &record_; }
  void changed() noexcept { changed_ = true; }

  void wake(const Wait& wait) { wake(wait.who); }
  void wake(const Agent& who) {
    if (std::find(wake_.begin(), wake_.end(), who) == wake_.end()) wake_.push_back(who);
  }

  /// A waiter that acts has shown up again. Who had taken its place at the head must look anew.
  void show_up(std::uint64_t ticket) {
    for (Wait& wait : record_.waiters) {
      if (wait.ticket != ticket || !wait.late) continue;
      wait.late = false;
      changed_ = true;
      if (const Wait* const other = first_ready(record_, world_, ticket)) wake(*other);
    }
  }

  /// Takes back a turn that its waiter has let pass, unless it is that waiter who acts now.
  void settle_turn(std::uint64_t acting) {
    while (!record_.waiters.empty() && is_dead(record_.waiters.front(), world_)) {
      record_.waiters.erase(record_.waiters.begin());
      changed_ = true;
    }
    if (!record_.turn || record_.turn->ticket == acting) return;
    const auto owner = std::find_if(record_.waiters.begin(), record_.waiters.end(),
                                    [&](const Wait& wait) { return wait.ticket == record_.turn->ticket; });
    const bool there = owner != record_.waiters.end() && !is_dead(*owner, world_);
    if (there && record_.turn->until > world_.boottime_us) return;
    if (there) {
      // It may be asleep: who was to wake it for its turn may have died first.
      owner->late = true;
      wake(*owner);
    }
    record_.turn.reset();
    changed_ = true;
  }

  /// If the lock is free for who is to be served next, and that is not who acts: keeps it free for that one,
  /// and wakes it.
  void offer(std::uint64_t acting = 0) {
    const Wait* next = record_.turn ? find_wait(record_, record_.turn->ticket) : nullptr;
    if (next == nullptr) next = first_ready(record_, world_);
    if (next == nullptr || next->ticket == acting || !is_free_for(record_, *next, world_)) return;
    if (!record_.turn) {
      record_.turn = Turn{.ticket = next->ticket, .until = world_.boottime_us + kTurn};
      changed_ = true;
    }
    wake(*next);
  }

  /// After something was given back: who waits is told, whether or not it is enough for it.
  void pass_on(bool long_held) {
    settle_turn(0);
    for (const Hold& hold : record_.holders) {
      if (hold.upgrading) wake(hold.who);
    }
    const Wait* const head = first_ready(record_, world_);
    if (head == nullptr) {
      // Those who are left are late: no turn is kept for one that may be stopped.
      for (const Wait& late : record_.waiters) wake(late);
      return;
    }
    const Wait first = *head;
    offer();
    wake(first);
    if (!long_held) return;
    if (const Wait* const second = first_ready(record_, world_, first.ticket)) wake(*second);
  }

  /// Takes a waiter out of the queue. Who watched it must look for another one to watch, unless that is the
  /// same, as holder.
  bool remove(std::uint64_t ticket, bool granted) {
    std::vector<Wait>& all = record_.waiters;
    const auto own =
        std::find_if(all.begin(), all.end(), [&](const Wait& wait) { return wait.ticket == ticket; });
    if (ticket == 0 || own == all.end()) return false;
    const bool first = std::all_of(all.begin(), own, [&](const Wait& wait) { return is_dead(wait, world_); });
    const auto next = all.erase(own);
    changed_ = true;
    if (granted && first) return true;
    const auto successor =
        std::find_if(next, all.end(), [&](const Wait& wait) { return !wait.late && !is_dead(wait, world_); });
    if (successor != all.end()) wake(*successor);
    return true;
  }

  /// A waiter gives up. It may be the one whose turn it is.
  bool leave(std::uint64_t ticket) {
    if (!remove(ticket, false)) return false;
    if (record_.turn && record_.turn->ticket == ticket) record_.turn.reset();
    if (const Wait* const head = first_ready(record_, world_)) wake(*head);
    return true;
  }

  Result end(Outcome outcome) {
    Result result{.outcome = outcome, .changed = changed_, .record = std::nullopt, .wake = std::move(wake_)};
    if (!record_.holders.empty() || !record_.waiters.empty()) result.record = std::move(record_);
    return result;
  }

 private:
  LockRecord record_;
  const World& world_;
  bool changed_ = false;
  std::vector<Agent> wake_;
};

Result unchanged(Outcome outcome, const std::optional<LockRecord>& record) {
  return {.outcome = outcome, .changed = false, .record = record};
}

Result grant(Draft& draft, const Wish& wish, std::uint64_t number, const World& world) {
  LockRecord& record = *draft;
  bool died = false;
  std::erase_if(record.holders, [&](const Hold& hold) {
    const bool over = ended(hold, world);
    died = died || (over && !hold.keep);
    return over;
  });
  const auto more = std::find_if(record.holders.begin(), record.holders.end(),
                                 [&](const Hold& hold) { return hold.who == wish.hold.who; });
  const bool again = more != record.holders.end();
  if (again) {
    more->count += wish.hold.count;
  } else {
    record.kind = wish.kind;
    record.limit = wish.limit;
    record.fence = number;
    record.holders.push_back(wish.hold);
    record.holders.back().fence = number;
  }
  draft.remove(wish.ticket, true);
  record.turn.reset();
  draft.changed();
  // The next one may fit in as well.
  if (wish.hold.mode != Mode::exclusive) draft.offer();
  // The first may wait for a death that leaves too few permits, or comes later than this lease ends.
  const Wait* const first = first_ready(record, world);
  if (first != nullptr && (wish.hold.lease || wish.hold.mode == Mode::permits)) draft.wake(*first);
  Result result = draft.end(again ? Outcome::again : Outcome::granted);
  result.number_used = !again;
  result.owner_died = died;
  return result;
}

/// The agent's own grant, if it is not over.
Hold* own_grant(LockRecord& record, const Agent& who, const World& world) {
  for (Hold& hold : record.holders) {
    if (hold.who == who && !ended(hold, world)) return &hold;
  }
  return nullptr;
}

bool goes_deeper(const LockRecord& record, const Hold& own, const Wish& wish) {
  if (own.mode != wish.hold.mode) return false;
  return own.mode == Mode::shared ||
         (own.mode == Mode::exclusive && record.kind == Kind::rlock && wish.kind == Kind::rlock);
}

}  // namespace

const Hold* find_hold(const std::optional<LockRecord>& record, const Agent& who) {
  if (!record) return nullptr;
  const auto found = std::find_if(record->holders.begin(), record->holders.end(),
                                  [&](const Hold& hold) { return hold.who == who; });
  return found == record->holders.end() ? nullptr : &*found;
}

bool ended(const Hold& hold, const World& world) {
  if (hold.keep) return !hold.lease || *hold.lease <= world.wall_us;
  if (hold.lease && *hold.lease <= world.boottime_us) return true;
  return world.alive(hold.who.session) == Liveness::dead;
}

std::optional<std::int64_t> first_lease_end(const LockRecord& record, const World& world) {
  std::optional<std::int64_t> first;
  for (const Hold& hold : record.holders) {
    if (!hold.lease || ended(hold, world)) continue;
    const std::int64_t left = *hold.lease - (hold.keep ? world.wall_us : world.boottime_us);
    const std::int64_t at = world.boottime_us + left;
    if (!first || at < *first) first = at;
  }
  return first;
}

bool is_free(const LockRecord& record, Mode mode, std::uint64_t count, const World& world) {
  std::uint64_t out = 0;
  for (const Hold& hold : record.holders) {
    if (mode == Mode::shared && hold.mode == Mode::shared && !hold.upgrading) continue;
    if (ended(hold, world)) continue;
    if (mode != Mode::permits || hold.mode != Mode::permits) return false;
    out += hold.count;
  }
  return mode != Mode::permits || (count <= record.limit && out <= record.limit - count);
}

Result acquire(const std::optional<LockRecord>& old, const Wish& wish, std::uint64_t number,
               const World& world) {
  Draft draft(old.value_or(LockRecord{.kind = wish.kind, .limit = wish.limit}), world);
  LockRecord& record = *draft;
  if (!compatible(record, wish)) {
    const bool in_use = std::any_of(record.holders.begin(), record.holders.end(),
                                    [&](const Hold& hold) { return !ended(hold, world); }) ||
                        first_ready(record, world) != nullptr;
    if (in_use) return unchanged(Outcome::mismatch, old);
    // Who still waits has let its turn pass, and will find that it came too late.
    for (const Wait& late : record.waiters) draft.wake(late);
    record = {.kind = wish.kind, .fence = record.fence, .limit = wish.limit, .holders = record.holders};
  }
  Hold* const own = own_grant(record, wish.hold.who, world);
  if (own != nullptr && goes_deeper(record, *own, wish)) {
    ++own->count;
    draft.changed();
    return draft.end(Outcome::again);
  }

  draft.show_up(wish.ticket);
  draft.settle_turn(wish.ticket);
  if (is_free(record, wish.hold.mode, wish.hold.count, world) && blocker(record, wish, world) == nullptr) {
    return grant(draft, wish, number, world);
  }
  std::uint64_t ticket = find_wait(record, wish.ticket) != nullptr ? wish.ticket : 0;
  bool number_used = false;
  if (wish.queue == Queue::join && ticket == 0) {
    // Those behind the first may die unnoticed: nobody watches them but who comes next.
    if (record.waiters.size() % kSweep == kSweep - 1 || record.waiters.size() >= kMostWaiters) {
      std::erase_if(record.waiters, [&](const Wait& wait) { return is_dead(wait, world); });
    }
    const Hold& hold = wish.hold;
    if (record.waiters.size() < kMostWaiters) {
      record.waiters.push_back({.ticket = number,
                                .owner = hold.owner,
                                .who = hold.who,
                                .mode = hold.mode,
                                .count = hold.count,
                                .since = world.boottime_us,
                                .fair = wish.fair});
      ticket = number;
      number_used = true;
      draft.changed();
    }
  } else if (wish.queue == Queue::leave && draft.leave(ticket)) {
    ticket = 0;
  }
  draft.offer(ticket);
  Result result = draft.end(own != nullptr && own->mode != Mode::permits ? Outcome::mine : Outcome::busy);
  result.number_used = number_used;
  result.ticket = ticket;
  return result;
}

Result release(const std::optional<LockRecord>& record, const Agent& who, std::optional<std::uint64_t> fence,
               std::uint64_t count, const World& world) {
  const Outcome not_held = fence ? Outcome::lost : Outcome::not_owner;
  if (!record) return unchanged(not_held, record);
  Draft draft(*record, world);
  const auto hold = std::find_if(draft->holders.begin(), draft->holders.end(), [&](const Hold& one) {
    return one.who == who && (!fence || one.fence == *fence);
  });
  if (hold == draft->holders.end()) return unchanged(not_held, record);
  draft.changed();
  const bool long_held = world.wall_us - hold->since >= kLongHold;
  if (hold->count > count) {
    hold->count -= count;
    if (hold->mode == Mode::permits) draft.pass_on(long_held);
    return draft.end(Outcome::shallower);
  }
  draft->holders.erase(hold);
  draft.pass_on(long_held);
  return draft.end(Outcome::released);
}

Result renew(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence,
             std::int64_t lease, const World& world) {
  if (!record) return unchanged(Outcome::lost, record);
  Draft draft(*record, world);
  for (Hold& hold : draft->holders) {
    if (hold.who != who || hold.fence != fence) continue;
    if (!hold.lease) return unchanged(Outcome::refused, record);
    const std::int64_t now = hold.keep ? world.wall_us : world.boottime_us;
    const std::int64_t end = std::min(lease, hold.most.value_or(lease));
    if (end <= now) break;
    // What was over may have been offered to somebody.
    if (ended(hold, world)) draft->turn.reset();
    const Wait* const first = first_ready(*draft, world);
    if (first != nullptr && (!hold.lease || end < *hold.lease)) draft.wake(*first);
    hold.lease = end;
    draft.changed();
    return draft.end(Outcome::renewed);
  }
  return unchanged(Outcome::lost, record);
}

Result upgrade(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence, bool wait,
               std::uint64_t number, const World& world) {
  Draft draft(record.value_or(LockRecord{}), world);
  Hold* const own = own_grant(*draft, who, world);
  if (own == nullptr || own->fence != fence) {
    // A lease that has ended may yet be renewed.
    Result result = stop_upgrading(record, who, fence, world);
    result.outcome = Outcome::lost;
    return result;
  }
  if (own->mode != Mode::shared) return unchanged(Outcome::again, record);
  const auto is_other = [&](const Hold& hold) { return hold.who != who && !ended(hold, world); };
  const bool alone = std::none_of(draft->holders.begin(), draft->holders.end(), is_other);
  const bool rival = std::any_of(draft->holders.begin(), draft->holders.end(),
                                 [&](const Hold& hold) { return is_other(hold) && hold.upgrading; });
  if (rival) return unchanged(Outcome::deadlock, record);
  if (!alone && !wait) {
    Result result = stop_upgrading(record, who, fence, world);
    result.outcome = Outcome::busy;
    return result;
  }
  if (!alone) {
    if (std::exchange(own->upgrading, true)) return unchanged(Outcome::busy, record);
    // One that has died on the way, or whose lease is over, was there before.
    for (Hold& hold : draft->holders) hold.upgrading = &hold == own;
    // Whose turn it is to join in finds the lock taken, and is not late for that.
    draft->turn.reset();
    draft.changed();
    return draft.end(Outcome::busy);
  }
  const Hold mine = *own;
  const bool died = std::any_of(draft->holders.begin(), draft->holders.end(),
                                [&](const Hold& hold) { return hold.who != who && !hold.keep; });
  draft->holders = {mine};
  Hold& exclusive = draft->holders.front();
  exclusive.mode = Mode::exclusive;
  exclusive.upgrading = false;
  exclusive.fence = draft->fence = number;
  exclusive.since = world.wall_us;
  draft->turn.reset();
  draft.changed();
  Result result = draft.end(Outcome::granted);
  result.number_used = true;
  result.owner_died = died;
  return result;
}

Result stop_upgrading(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence,
                      const World& world) {
  if (!record) return unchanged(Outcome::lost, record);
  Draft draft(*record, world);
  for (Hold& hold : draft->holders) {
    if (hold.who != who || hold.fence != fence || !std::exchange(hold.upgrading, false)) continue;
    draft.changed();
    draft.offer();
    return draft.end(Outcome::left);
  }
  return unchanged(Outcome::absent, record);
}

Result downgrade(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence,
                 const World& world) {
  Draft draft(record.value_or(LockRecord{}), world);
  Hold* const own = own_grant(*draft, who, world);
  if (own == nullptr || own->fence != fence) return unchanged(Outcome::lost, record);
  if (own->mode != Mode::exclusive) return unchanged(Outcome::again, record);
  const bool long_held = world.wall_us - own->since >= kLongHold;
  own->mode = Mode::shared;
  draft->kind = Kind::rwlock;
  draft.changed();
  draft.pass_on(long_held);
  return draft.end(Outcome::granted);
}

Result leave_kept(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence) {
  if (!record) return unchanged(Outcome::lost, record);
  LockRecord left = *record;
  for (Hold& hold : left.holders) {
    if (hold.who != who || hold.fence != fence || !hold.keep) continue;
    if (hold.count > 1) {
      // Other levels of it are still in use.
      --hold.count;
      return {.outcome = Outcome::shallower, .changed = true, .record = std::move(left)};
    }
    hold.who.agent = 0;  // which nobody has
    return {.outcome = Outcome::released, .changed = true, .record = std::move(left)};
  }
  return unchanged(Outcome::lost, record);
}

Result abandon(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence,
               const World& world) {
  if (!record) return unchanged(Outcome::lost, record);
  Draft draft(*record, world);
  for (Hold& hold : draft->holders) {
    if (hold.who != who || hold.fence != fence || hold.keep) continue;
    hold.lease = world.boottime_us;
    draft.changed();
    draft.pass_on(true);
    return draft.end(Outcome::released);
  }
  return unchanged(Outcome::lost, record);
}

Result cancel(const std::optional<LockRecord>& record, std::uint64_t ticket, const World& world) {
  if (!record) return unchanged(Outcome::absent, record);
  Draft draft(*record, world);
  if (!draft.leave(ticket)) return unchanged(Outcome::absent, record);
  draft.offer();
  return draft.end(Outcome::left);
}

Result clear(const std::optional<LockRecord>& record, std::optional<std::uint64_t> fence, bool force,
             std::uint64_t number, const World& world) {
  if (!record || record->holders.empty()) return unchanged(Outcome::absent, record);
  Draft draft(*record, world);
  const std::size_t cleared = std::erase_if(draft->holders, [&](const Hold& hold) {
    if (fence && hold.fence != *fence) return false;
    return ended(hold, world) || (fence && force);
  });
  if (cleared == 0) return unchanged(Outcome::refused, record);
  draft->fence = number;
  draft.changed();
  draft.pass_on(true);
  Result result = draft.end(Outcome::cleared);
  result.number_used = true;
  return result;
}

Look look(const std::optional<LockRecord>& record, const Wish& wish, const World& world) {
  if (!record || !compatible(*record, wish)) return {.act = true};
  const bool queued = wish.ticket != 0;
  const Wait* const own = find_wait(*record, wish.ticket);
  if (queued && (own == nullptr || own->late)) return {.act = true};
  const auto ahead = queued ? own - record->waiters.data() : std::ssize(record->waiters);
  Look look{.ahead = static_cast<std::size_t>(ahead)};

  const Wait* const turn = record->turn ? find_wait(*record, record->turn->ticket) : nullptr;
  if (is_free(*record, wish.hold.mode, wish.hold.count, world)) {
    const Wait* const before = blocker(*record, wish, world);
    const bool standing =
        turn != nullptr && record->turn->until > world.boottime_us && !is_dead(*turn, world);
    if (before == nullptr || (record->turn && !standing)) return {.act = true};
    if (standing) {
      look.next = record->turn->until;
      look.watch.push_back(turn->who.session);
      look.wake = turn->who;
      return look;
    }
    // Free with nobody's turn: to be offered to the first, unless it is not enough for that one.
    const Wait* const first = first_ready(*record, world);
    if (first != nullptr && is_free_for(*record, *first, world)) return {.act = true};
  }

  look.act = look.act || (!queued && wish.queue == Queue::join && record->waiters.size() < kMostWaiters);
  if (!queued) return look;
  for (const Wait* before = own; before != record->waiters.data();) {
    --before;
    if (is_dead(*before, world)) continue;
    // Once a late one shows up again, it may get a turn and die before anybody else hears of that.
    look.watch.push_back(before->who.session);
    if (!before->late) return look;
  }
  const std::optional<std::int64_t> lease_end = first_lease_end(*record, world);
  if (lease_end && (!look.next || *lease_end < *look.next)) look.next = lease_end;
  for (const Hold& hold : record->holders) {
    if (ended(hold, world)) continue;
    if (!hold.keep) look.watch.push_back(hold.who.session);
  }
  if (turn != nullptr && !is_dead(*turn, world)) look.watch.push_back(turn->who.session);
  return look;
}

}  // namespace dcache::locking
