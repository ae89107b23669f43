// SPDX-License-Identifier: Apache-2.0
#include "machine/records.hpp"

#include <algorithm>
#include <utility>

#include "locks/record_json.hpp"

namespace dcache::test {

namespace {

using locking::Hold;
using locking::Mode;
using locking::Wait;

constexpr std::int64_t kNow = 1'000'000;
constexpr std::int64_t kLeaseEnd = kNow + 500'000;

// All numbers handed out before an event are at most kLast, and the event's own is above.
constexpr std::uint64_t kGoneTicket = 9;
constexpr std::uint64_t kTicket = 10;  // and the agent's number
constexpr std::uint64_t kGoneFence = 99;
constexpr std::uint64_t kFence = 100;  // and the agent's number
constexpr std::uint64_t kLast = 500;
constexpr std::uint64_t kNumber = 501;

locking::Agent agent_of(unsigned number) {
  return {.session = std::string(1, static_cast<char>('a' + number)), .agent = 1};
}

Agents set_of(const std::vector<locking::Agent>& agents) {
  Agents set = 0;
  for (const locking::Agent& agent : agents) set |= 1U << Records::number(agent);
  return set;
}

bool has_number(const std::optional<LockRecord>& record, std::uint64_t number) {
  if (!record) return false;
  return record->fence == number ||
         std::any_of(record->holders.begin(), record->holders.end(),
                     [&](const Hold& hold) { return hold.fence == number; }) ||
         std::any_of(record->waiters.begin(), record->waiters.end(),
                     [&](const Wait& wait) { return wait.ticket == number; });
}

std::uint64_t key_of(RecordId record, unsigned event, unsigned agent, unsigned ask, bool waits, Agents dead,
                     unsigned other) {
  std::uint64_t key = record;
  for (const unsigned part : {event, agent, ask, static_cast<unsigned>(waits), dead, other}) {
    key = key << 4U | part;
  }
  return key;
}

}  // namespace

Records::Records(const Machine& machine, std::vector<std::vector<Ask>> asks, std::uint64_t limit,
                 bool long_holds)
    : machine_(machine), asks_(std::move(asks)), limit_(limit), long_holds_(long_holds), records_(1) {}

unsigned Records::number(const locking::Agent& agent) {
  return static_cast<unsigned>(agent.session.front() - 'a');
}

const Hold* Records::hold(const LockRecord& record, unsigned agent) {
  for (const Hold& hold : record.holders) {
    if (number(hold.who) == agent) return &hold;
  }
  return nullptr;
}

const Wait* Records::wait(const LockRecord& record, unsigned agent) {
  for (const Wait& wait : record.waiters) {
    if (number(wait.who) == agent) return &wait;
  }
  return nullptr;
}

bool Records::turn_stands(const LockRecord& record) { return record.turn && record.turn->until > kNow; }
bool Records::lease_runs(const Hold& hold) { return hold.lease && *hold.lease > kNow; }

World Records::world(Agents dead) {
  return {.boottime_us = kNow, .wall_us = kNow, .alive = [dead](const std::string& session) {
            const auto number = static_cast<unsigned>(session.front() - 'a');
            return (dead >> number & 1U) != 0 ? Liveness::dead : Liveness::alive;
          }};
}

locking::Wish Records::wish(unsigned agent, unsigned ask, bool waits, Queue queue) const {
  const Ask& asked = asks_[agent][ask];
  locking::Wish wish{.kind = asked.kind, .limit = limit_, .hold = {}, .fair = asked.fair, .queue = queue};
  wish.hold.owner = "1-1";
  wish.hold.who = agent_of(agent);
  wish.hold.mode = asked.mode;
  wish.hold.count = asked.count;
  wish.hold.since = kNow;
  if (asked.lease) wish.hold.lease = kLeaseEnd;
  wish.hold.keep = asked.keep;
  if (waits) wish.ticket = kTicket + agent;
  return wish;
}

Result Records::apply(const std::optional<LockRecord>& old, Event event, unsigned agent, unsigned ask,
                      bool waits, const World& world, unsigned other) const {
  const bool holds = old && hold(*old, agent) != nullptr;
  switch (event) {
    case Event::try_once:
      return machine_.acquire(old, wish(agent, ask, waits, Queue::stay_out), kNumber, world);
    case Event::join:
      return machine_.acquire(old, wish(agent, ask, waits, Queue::join), kNumber, world);
    case Event::leave:
      return machine_.acquire(old, wish(agent, ask, waits, Queue::leave), kNumber, world);
    case Event::cancel:
      return machine_.cancel(old, kTicket + agent, world);
    case Event::release:
      return machine_.release(old, agent_of(agent), holds ? kFence + agent : kGoneFence,
                              asks_[agent][ask].mode == Mode::permits ? asks_[agent][ask].count : 1, world);
    case Event::renew:
      return machine_.renew(old, agent_of(agent), holds ? kFence + agent : kGoneFence, kLeaseEnd, world);
    case Event::upgrade:
    case Event::upgrade_or_not:
      return machine_.upgrade(old, agent_of(agent), holds ? kFence + agent : kGoneFence,
                              event == Event::upgrade, kNumber, world);
    case Event::downgrade:
      return machine_.downgrade(old, agent_of(agent), holds ? kFence + agent : kGoneFence, world);
    case Event::clear:
      return machine_.clear(old, kFence + other, true, kNumber, world);
    default:
      break;
  }
  // Time passes.
  Result result{.outcome = Outcome::absent, .changed = true, .record = old};
  if (event == Event::lapse) result.record->turn->until = kNow;
  for (Wait& one : result.record->waiters) {
    if (event == Event::age) one.since = kNow - locking::kAge - 1;
  }
  for (Hold& one : result.record->holders) {
    if (event == Event::lease_over && number(one.who) == other) one.lease = kNow;
  }
  return result;
}

/// Breaks of what must be true of any record.
const char* Records::check_record(const LockRecord& record) const {
  std::uint64_t out = 0;
  Agents seen = 0;
  const auto again = [&](const locking::Agent& who) {
    const Agents bit = 1U << number(who);
    return (std::exchange(seen, seen | bit) & bit) != 0;
  };
  for (const Hold& one : record.holders) {
    if (one.mode == Mode::exclusive && record.holders.size() > 1)
      return "I1: an exclusive holder beside others";
    if (one.mode == Mode::permits) out += one.count;
    if (again(one.who)) return "two grants of one agent";
  }
  if (out > limit_) return "I1: more permits are out than there are";
  for (const Wait& one : record.waiters) {
    if (again(one.who)) return "an agent waits twice, or for what it holds";
  }
  if (locking::parse(locking::print(record)) != record)
    return "a record that does not come back from its text";
  return nullptr;
}

/// Breaks of what may become of a grant that is to be exclusive, or to be shared.
const char* Records::check_exchange(const Hold* old, const Hold* own, const Result& result, Event event,
                                    const LockRecord& before, const std::function<bool(const Hold&)>& over) {
  if (old == nullptr || over(*old)) {
    if (own != nullptr && own->upgrading) return "one who has lost its grant keeps others out";
    return result.outcome == Outcome::lost ? nullptr : "I3: a grant that is over is exchanged";
  }
  if (own == nullptr || own->count != old->count) return "I4: a grant gets lost as it is exchanged";
  if (own->upgrading && (own->mode != Mode::shared || event != Event::upgrade)) {
    return "one who does not wait to be exclusive keeps others out";
  }
  const bool same_fence = own->fence == old->fence;
  if (event == Event::downgrade) {
    return own->mode == Mode::shared && same_fence ? nullptr : "I3: not shared, or another grant";
  }
  const auto others = [&](const auto& which) {
    return std::any_of(before.holders.begin(), before.holders.end(),
                       [&](const Hold& one) { return &one != old && !over(one) && which(one); });
  };
  const bool beside_others = others([](const Hold&) { return true; });
  switch (result.outcome) {
    case Outcome::granted:
      if (beside_others) return "I1: an exclusive holder beside others";
      return own->mode == Mode::exclusive && own->fence > kLast && result.record->fence == own->fence
                 ? nullptr
                 : "I2: exclusive without a fence above all before";
    case Outcome::deadlock:
      return others([](const Hold& one) { return one.upgrading; }) ? nullptr : "a circle that is none";
    case Outcome::busy:
      if (own->upgrading && others([](const Hold& one) { return one.upgrading; })) {
        return "two wait for each other to go";
      }
      return beside_others && own->mode == Mode::shared && same_fence ? nullptr : "I6: refused for no reason";
    default:
      return "an exchange that says something else than it did";
  }
}

/// Breaks of what an event may do. Whose grant has ended is told here without the machine.
const char* Records::check(const std::optional<LockRecord>& old, const Result& result, Event event,
                           unsigned agent, const Ask& ask, const World& world, unsigned other) const {
  static const LockRecord kNone;
  const LockRecord& before = old ? *old : kNone;
  const LockRecord& after = result.record ? *result.record : kNone;
  if (!result.changed && result.record != old) return "a change that is not to be stored";
  if (result.number_used != has_number(result.record, kNumber) && event != Event::clear) {
    return "I2: a number in use is taken for unused, or the other way round";
  }
  const bool acquires = event == Event::try_once || event == Event::join || event == Event::leave;
  const bool granted = acquires && result.outcome == Outcome::granted;
  const bool upgrades = event == Event::upgrade || event == Event::upgrade_or_not;
  const bool upgraded = upgrades && result.outcome == Outcome::granted;

  const auto over = [&](const Hold& one) {
    if (one.lease && !lease_runs(one)) return true;
    return !one.keep && world.alive(one.who.session) == Liveness::dead;
  };
  for (const Hold& one : before.holders) {
    if (number(one.who) == agent && event != Event::cancel && event != Event::clear) continue;
    const Hold* const now = hold(after, number(one.who));
    if (now != nullptr && *now == one) continue;
    if (event == Event::clear && number(one.who) == other) continue;
    if (event == Event::upgrade && now != nullptr && over(one))
      continue;  // who had come before is not in the way
    if (!granted && !upgraded) return "I3: an event changes a grant of somebody else";
    if (!over(one)) return "I4: a live holder is replaced";
  }
  for (const Hold& one : after.holders) {
    if (hold(before, number(one.who)) != nullptr) continue;
    if (!granted || number(one.who) != agent) return "an agent holds by what somebody else did";
  }

  const Hold* const own_before = hold(before, agent);
  const Hold* const own = hold(after, agent);
  const Wait* const waits = wait(after, agent);
  if (acquires && result.ticket != (waits != nullptr ? waits->ticket : 0)) {
    return "the ticket told is not the one in the queue";
  }
  if (granted) {
    if (own == nullptr || own->fence <= kLast || after.fence != own->fence)
      return "I2: a fence not above all before";
    if (own->mode != ask.mode || own->count != ask.count) return "granted something else than asked for";
    // Who was ahead, and still is to be served: it may be passed as long as it is young, if neither is fair.
    const Wait* const place = wait(before, agent);
    const bool has_turn = place != nullptr && before.turn && before.turn->ticket == place->ticket;
    for (const Wait& one : before.waiters) {
      if (&one == place) break;
      const Wait* const still = wait(after, number(one.who));
      if (has_turn || still == nullptr || still->late || world.alive(one.who.session) == Liveness::dead)
        continue;
      if (ask.fair || one.fair || kNow - one.since > locking::kAge)
        return "I5: a waiter is overtaken that must not be";
    }
  } else if (acquires && result.outcome == Outcome::again) {
    if (own == nullptr || own_before == nullptr || own->fence != own_before->fence ||
        own->count != own_before->count + 1) {
      return "I3: deeper in a grant that is another";
    }
  } else if (acquires) {
    if ((waits != nullptr) != (event == Event::join)) return "a place in the queue against the wish";
    const bool empty = std::all_of(before.holders.begin(), before.holders.end(), over) &&
                       std::all_of(before.waiters.begin(), before.waiters.end(), [&](const Wait& one) {
                         return number(one.who) == agent || world.alive(one.who.session) == Liveness::dead;
                       });
    if (empty) return "I6: a lock that nobody holds or waits for is refused";
  }
  if (event == Event::release) {
    const bool some = own_before != nullptr;
    const std::uint64_t given = ask.mode == Mode::permits ? ask.count : 1;
    const bool deeper = some && own_before->count > given;
    const Outcome right = deeper ? Outcome::shallower : some ? Outcome::released : Outcome::lost;
    if (result.outcome != right) return "I3: a release that says something else than it did";
    if (!some && result.changed) return "I3: a release by none that holds changes the record";
    if (deeper ? own == nullptr || own->count != own_before->count - given : own != nullptr) {
      return "I3: a release of too little or too much";
    }
  }
  if (const char* const wrong = upgrades || event == Event::downgrade
                                    ? check_exchange(own_before, own, result, event, before, over)
                                    : nullptr) {
    return wrong;
  }
  if (event == Event::cancel && waits != nullptr) return "a waiter that gave up is still in the queue";
  return nullptr;
}

RecordId Records::intern(const LockRecord& raw) {
  LockRecord record = raw;
  std::string key;
  const auto put = [&](auto value) { key += static_cast<char>(value); };
  record.fence = kLast;
  put(record.kind);
  for (Hold& one : record.holders) {
    const unsigned who = number(one.who);
    one.fence = kFence + who;
    one.since = long_holds_ ? kNow - locking::kLongHold : kNow;
    if (one.lease) one.lease = lease_runs(one) ? kLeaseEnd : kNow;
    put(who + 1);
    put(static_cast<unsigned>(one.mode) << 4U | static_cast<unsigned>(one.count));
    put((one.lease ? (lease_runs(one) ? 2U : 1U) : 0U) << 1U | static_cast<unsigned>(one.keep) |
        static_cast<unsigned>(one.upgrading) << 3U);
  }
  put(0);
  std::optional<unsigned> turn;
  for (Wait& one : record.waiters) {
    const unsigned who = number(one.who);
    if (record.turn && record.turn->ticket == one.ticket) turn = who;
    const bool aged = kNow - one.since > locking::kAge;
    one.ticket = kTicket + who;
    one.since = aged ? kNow - locking::kAge - 1 : kNow;
    put(who + 1);
    put(static_cast<unsigned>(one.mode) << 4U | static_cast<unsigned>(one.count));
    put(static_cast<unsigned>(aged) << 2U | static_cast<unsigned>(one.fair) << 1U |
        static_cast<unsigned>(one.late));
  }
  put(0);
  if (record.turn) {
    const bool stands = turn_stands(record);
    record.turn = locking::Turn{.ticket = turn ? kTicket + *turn : kGoneTicket,
                                .until = stands ? kNow + locking::kTurn : kNow};
    put(turn ? *turn : kMostAgents);
    put(stands);
  }
  const auto [found, added] = ids_.try_emplace(std::move(key), static_cast<RecordId>(records_.size()));
  if (added) records_.push_back(std::move(record));
  return found->second;
}

const Step& Records::step(RecordId before, Event event, unsigned agent, unsigned ask, bool waits, Agents dead,
                          unsigned other) {
  const std::uint64_t key = key_of(before, static_cast<unsigned>(event), agent, ask, waits, dead, other);
  const auto [found, added] = steps_.try_emplace(key);
  Step& step = found->second;
  if (!added) return step;
  const std::optional<LockRecord> old = before != 0 ? std::optional(records_[before]) : std::nullopt;
  const World around = world(dead);
  const Result result = apply(old, event, agent, ask, waits, around, other);
  step.outcome = result.outcome;
  step.changed = result.changed;
  step.waits = result.ticket != 0;
  step.wake = set_of(result.wake);
  if (event < Event::age) step.wrong = check(old, result, event, agent, asks_[agent][ask], around, other);
  if (result.record) step.after = intern(*result.record);
  if (step.wrong == nullptr && step.after != 0) step.wrong = check_record(records_[step.after]);
  return step;
}

const Sight& Records::sight(RecordId record, unsigned agent, unsigned ask, Agents dead) {
  const auto [found, added] = sights_.try_emplace(key_of(record, 0, agent, ask, true, dead, 0));
  Sight& sight = found->second;
  if (!added) return sight;
  const std::optional<LockRecord> seen = record != 0 ? std::optional(records_[record]) : std::nullopt;
  const locking::Look look = machine_.look(seen, wish(agent, ask, true, Queue::join), world(dead));
  sight.act = look.act;
  for (const std::string& session : look.watch) {
    sight.watch |= 1U << number({.session = session, .agent = 1});
  }
  if (look.wake) sight.wake = 1U << number(*look.wake);
  if (look.act) return sight;
  if (look.next) sight.next = *look.next == kLeaseEnd ? Next::lease : Next::turn;
  // Either would wake the sleeper at once, and it would see the same.
  if ((sight.watch & dead) != 0) sight.wrong = "L2: a sleeper watches one that is dead";
  if (look.next && *look.next <= kNow) sight.wrong = "L2: a sleeper waits for a time that has passed";
  return sight;
}

RecordId Records::renamed(RecordId id, const Order& to) {
  if (id == 0) return 0;
  std::uint64_t key = id;
  for (const unsigned number : to) key = key << 2U | number;
  const auto [found, added] = renamed_.try_emplace(key);
  if (!added) return found->second;
  LockRecord record = records_[id];
  // Only the sessions: numbers are brought into line as those of any record.
  for (Hold& one : record.holders) one.who = agent_of(to[number(one.who)]);
  for (Wait& one : record.waiters) one.who = agent_of(to[number(one.who)]);
  return found->second = intern(record);
}

std::string Records::words(RecordId id, const std::string& letters) const {
  if (id == 0) return "no record";
  const LockRecord& record = records_[id];
  const auto letter = [&](unsigned who) { return std::string(1, letters[who]); };
  const auto form = [](Mode mode, std::uint64_t count) {
    const char* const names[] = {"x", "s", "p"};
    return std::string(names[static_cast<unsigned>(mode)]) + (count > 1 ? std::to_string(count) : "");
  };
  std::string out = "held by [";
  for (const Hold& one : record.holders) {
    out += " " + letter(number(one.who)) + ":" + form(one.mode, one.count);
    if (one.lease) out += lease_runs(one) ? ",leased" : ",lease over";
    if (one.keep) out += ",kept";
    if (one.upgrading) out += ",upgrading";
  }
  out += " ] waiting [";
  for (const Wait& one : record.waiters) {
    out += " " + letter(number(one.who)) + ":" + form(one.mode, one.count);
    if (kNow - one.since > locking::kAge) out += ",aged";
    if (one.fair) out += ",fair";
    if (one.late) out += ",late";
  }
  out += " ]";
  if (record.turn) {
    const auto who = static_cast<unsigned>(record.turn->ticket - kTicket);
    out +=
        " turn of " + (who < kMostAgents ? letter(who) : "nobody") + (turn_stands(record) ? "" : ", lapsed");
  }
  return out;
}

}  // namespace dcache::test
