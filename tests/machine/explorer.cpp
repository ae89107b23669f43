// SPDX-License-Identifier: Apache-2.0
#include "machine/explorer.hpp"

#include <algorithm>
#include <utility>

#include "machine/state.hpp"

namespace dcache::test {

namespace {

using locking::Hold;
using locking::Mode;
using locking::Wait;

class Explorer {
 public:
  Explorer(const Setting& setting, const Machine& machine)
      : setting_(setting), records_(machine, setting.agents, setting.limit, setting.long_holds) {
    const auto& all = setting_.agents;
    for (unsigned i = 0; i < kMostAgents; ++i) {
      // Those that are not there come last.
      const auto first = i < all.size() ? std::find(all.begin(), all.end(), all[i]) : all.end();
      classes_[i] = static_cast<unsigned>(first - all.begin());
    }
  }

  Report run();

 private:
  static constexpr std::uint32_t kNone = ~0U;

  /// `words` are only made for a trace. A step that is `sure` happens sooner or later, if nothing else does.
  void emit(State next, bool sure, const char* words, unsigned agent, unsigned other = kMostAgents);
  void expand();
  void steps_of(unsigned agent);
  void steps_of_idle(unsigned agent);
  void steps_of_waiter(unsigned agent);
  void steps_of_holder(unsigned agent);
  void steps_of_upgrader(unsigned agent);
  void wake_up(unsigned agent, At where);
  void steps_of_time();
  void transact(unsigned agent, Event event, const char* words, unsigned other = kMostAgents);
  void exchange(unsigned agent, Event event, const char* words);
  void sleep_on_it(State& next, unsigned agent);
  void settle(State& next);
  void wrong(const char* what) {
    if (wrong_ == nullptr) wrong_ = what;
  }
  [[nodiscard]] const char* beliefs(const State& state) const;
  [[nodiscard]] bool has_business(const State& state) const;
  [[nodiscard]] bool someone_misses_out(const State& state) const;

  std::uint32_t number(const Packed& packed);
  std::uint32_t& slot(const Packed& packed);
  void grow();
  [[nodiscard]] std::uint32_t first_astray();
  [[nodiscard]] std::string trace(std::uint32_t end, bool with_wrong_step);

  const Setting setting_;
  std::array<unsigned, kMostAgents> classes_{};  // agents of one class ask for the same
  Records records_;
  std::vector<Packed> states_;
  std::vector<std::uint32_t> parents_;
  std::vector<std::uint32_t> table_ = std::vector<std::uint32_t>(1U << 16U, kNone);
  std::vector<std::uint32_t> sure_;       // targets of sure steps, state after state
  std::vector<std::uint64_t> sure_from_;  // where those of a state begin
  std::vector<bool> fine_;                // nothing is to happen, and nobody misses out

  bool whole_ = true;
  State now_;
  std::uint32_t now_number_ = 0;
  const char* wrong_ = nullptr;
  // For a trace: the step that leads to this state, or to something wrong.
  const Packed* sought_ = nullptr;
  bool seek_wrong_ = false;
  std::string found_;
  Order found_order_{};
  std::string letters_ = "ABCD";  // of the agents: in a trace they keep them when their numbers change
};

void Explorer::emit(State next, bool sure, const char* words, unsigned agent, unsigned other) {
  settle(next);
  if (wrong_ == nullptr) wrong(beliefs(next));
  const RecordId record = next.record;
  const Order order = make_canonical(next, records_, classes_);
  const Packed packed = pack(next);
  if (seek_wrong_ ? wrong_ != nullptr : sought_ != nullptr && packed == *sought_) {
    if (found_.empty()) {
      found_ = agent < kMostAgents ? letters_.substr(agent, 1) + " " + words : words;
      if (other < kMostAgents) found_ += " " + letters_.substr(other, 1);
      if (record != now_.record) found_ += "  -> " + records_.words(record, letters_);
      found_order_ = order;
    }
  }
  if (seek_wrong_ || sought_ != nullptr || wrong_ != nullptr) return;
  const std::uint32_t target = number(packed);
  if (sure && target != now_number_) sure_.push_back(target);  // kNone, beyond the end, is taken to be fine
}

/// A sleeper that waits for the end of a turn or a lease that is no more wakes up at that time all the same.
void Explorer::settle(State& next) {
  const LockRecord& before = records_[now_.record];
  const LockRecord& record = records_[next.record];
  const bool same_turn = before.turn == record.turn;
  const bool same_leases = std::all_of(before.holders.begin(), before.holders.end(), [&](const Hold& hold) {
    const Hold* const still = Records::hold(record, Records::number(hold.who));
    return !Records::lease_runs(hold) || (still != nullptr && Records::lease_runs(*still));
  });
  for (unsigned i = 0; i < kMostAgents; ++i) {
    Process& one = next.all[i];
    if (one.next == Next::turn &&
        (!Records::turn_stands(record) || (now_.all[i].next == Next::turn && !same_turn))) {
      one.next = Next::due;
    }
    if (one.next == Next::lease && now_.all[i].next == Next::lease && !same_leases) one.next = Next::due;
  }
}

/// What agents believe must be in the record, so that what excludes each other there does so among them.
const char* Explorer::beliefs(const State& state) const {
  const LockRecord& record = records_[state.record];
  for (unsigned i = 0; i < setting_.agents.size(); ++i) {
    const Process& one = state.all[i];
    if (one.at == At::dead) continue;
    const Hold* const hold = Records::hold(record, i);
    if (one.levels == 0 && hold != nullptr) return "an agent holds and does not know it";
    if (one.levels > 0 && !one.excused) {
      const Ask& ask = setting_.agents[i][one.ask];
      if (hold == nullptr) return "I4: an agent has lost what it holds";
      if (hold->mode != ask.mode || hold->count != ask.count + one.levels - 1) {
        return "I3: an agent holds something else than it believes";
      }
    }
    if (hold != nullptr && hold->upgrading && one.at == At::hold) {
      return "an agent keeps others out and does not know it";
    }
    if (one.waits != (Records::wait(record, i) != nullptr)) {
      return "an agent waits and is not in the queue, or the other way round";
    }
  }
  return nullptr;
}

/// Whether a step is under way that is sure to come.
bool Explorer::has_business(const State& state) const {
  const Agents dead = state.dead();
  return std::any_of(state.all.begin(), state.all.end(), [&](const Process& one) {
    if (!one.runs()) return false;
    if (one.to_wake != 0 || one.at == At::join || one.at == At::read) return true;
    return one.at == At::sleep && (one.moved || one.next != Next::never || (one.watch & dead) != 0);
  });
}

/// Whether one sleeps who would get the lock if it asked, or whom the others would pass over.
bool Explorer::someone_misses_out(const State& state) const {
  const LockRecord& record = records_[state.record];
  const auto runs = [&](const Wait& wait) { return state.all[Records::number(wait.who)].runs(); };
  // A late one is passed over until it acts, which it will not while it sleeps.
  if (std::any_of(record.waiters.begin(), record.waiters.end(),
                  [&](const Wait& wait) { return wait.late && runs(wait); })) {
    return true;
  }
  const World world = Records::world(state.dead());
  for (unsigned i = 0; i < setting_.agents.size(); ++i) {
    const Process& one = state.all[i];
    const bool upgrades = one.at == At::sleep && one.levels > 0 && !one.excused && one.runs();
    const auto in_its_way = [&](const Hold& hold) {
      return Records::number(hold.who) != i && !locking::ended(hold, world);
    };
    if (upgrades && std::none_of(record.holders.begin(), record.holders.end(), in_its_way)) return true;
  }
  for (const Wait& wait : record.waiters) {
    if (wait.late || state.all[Records::number(wait.who)].at == At::dead) continue;
    const bool free = locking::is_free(record, wait.mode, wait.count, world);
    // All behind must wait for it, unless it lets its turn pass.
    if (runs(wait) || !free) return free;
  }
  return false;
}

void Explorer::sleep_on_it(State& next, unsigned agent) {
  Process& one = next.all[agent];
  const Sight& sight = records_.sight(next.record, agent, one.ask, next.dead());
  if (sight.wrong != nullptr) wrong(sight.wrong);
  one.watch = 0;
  one.next = Next::never;
  if (sight.act) {
    one.at = At::join;
    one.moved = false;
    return;
  }
  one.at = At::sleep;
  one.watch = sight.watch;
  one.next = sight.next;
  one.to_wake |= sight.wake;
}

void Explorer::transact(unsigned agent, Event event, const char* words, unsigned other) {
  State next = now_;
  Process& one = next.all[agent];
  const Step& step = records_.step(now_.record, event, agent, one.ask, one.waits, now_.dead(), other);
  if (step.wrong != nullptr) wrong(step.wrong);
  next.record = step.after;
  one.to_wake = step.wake;
  const bool got = step.outcome == Outcome::granted || step.outcome == Outcome::again;
  switch (event) {
    case Event::clear:
      next.all[other].excused = next.all[other].levels > 0;
      --next.clears;
      break;
    case Event::release:
      if (one.levels > 0) one.levels = step.outcome == Outcome::shallower ? one.levels - 1 : 0;
      break;
    case Event::renew:
      if (step.outcome == Outcome::renewed) one.excused = false;
      if (step.outcome == Outcome::lost) one.levels = 0;
      break;
    case Event::join:
      one.waits = step.waits;
      if (got) {
        one.levels = 1;
      } else {
        sleep_on_it(next, agent);
        if (one.at == At::join && !step.changed) wrong("L2: what came to nothing is tried again at once");
      }
      break;
    default:
      one.waits = false;
      if (one.levels > 0 && step.outcome != Outcome::again && step.outcome != Outcome::mine) {
        wrong("a holder that asks again is told that it does not hold");
      }
      if (got) ++one.levels;
      if (event != Event::try_once) --next.leaves;
      break;
  }
  if (!one.waits) {
    const Process was = one;
    one = {.at = was.levels > 0 ? At::hold : At::idle, .to_wake = was.to_wake};
    if (was.levels > 0) {
      one.ask = was.ask;
      one.levels = was.levels;
      one.excused = was.excused;
    }
  }
  emit(next, event == Event::join, words, agent, other);
}

/// A transaction of one that holds shared and wants to be alone, or holds alone and wants to share.
void Explorer::exchange(unsigned agent, Event event, const char* words) {
  State next = now_;
  Process& one = next.all[agent];
  const Step& step = records_.step(now_.record, event, agent, one.ask, false, now_.dead());
  if (step.wrong != nullptr) wrong(step.wrong);
  next.record = step.after;
  if (event == Event::upgrade_or_not) --next.leaves;
  if (step.outcome == Outcome::lost && !one.excused) wrong("I4: an agent has lost what it holds");
  const Process was = one;
  one = {.at = At::hold, .to_wake = step.wake, .ask = was.ask, .levels = was.levels, .excused = was.excused};
  if (step.outcome == Outcome::granted) {
    one.ask = was.ask == 0 ? 1 : 0;
  } else if (step.outcome == Outcome::busy && event == Event::upgrade) {
    one.at = At::sleep;
    one.moved = was.moved;
    const World world = Records::world(next.dead());
    for (const Hold& hold : records_[next.record].holders) {
      if (locking::ended(hold, world)) continue;
      if (hold.lease) one.next = Next::lease;
      if (!hold.keep && Records::number(hold.who) != agent) one.watch |= 1U << Records::number(hold.who);
    }
  }
  emit(next, event == Event::upgrade, words, agent);
}

void Explorer::steps_of(unsigned agent) {
  const Process& one = now_.all[agent];
  if (one.at == At::dead) return;
  State next = now_;
  if (now_.crashes > 0) {
    next.all[agent] = {.at = At::dead};
    --next.crashes;
    emit(next, false, "dies", agent);
    next = now_;
  }
  if (one.stopped || (now_.stops > 0 && one.at != At::idle)) {
    next.all[agent].stopped = !one.stopped;
    if (!one.stopped) --next.stops;
    emit(next, false, one.stopped ? "goes on" : "is stopped", agent);
    next = now_;
  }
  if (one.stopped) return;
  if (one.to_wake != 0) {
    for (unsigned i = 0; i < kMostAgents; ++i) {
      if ((one.to_wake >> i & 1U) == 0) continue;
      next = now_;
      next.all[agent].to_wake &= ~(1U << i);
      Process& woken = next.all[i];
      if (woken.at == At::join || woken.at == At::read || woken.at == At::sleep) woken.moved = true;
      emit(next, true, "wakes", agent, i);
    }
    return;
  }
  switch (one.at) {
    case At::idle:
      return steps_of_idle(agent);
    case At::hold:
      return steps_of_holder(agent);
    default:
      return steps_of_waiter(agent);
  }
}

void Explorer::steps_of_idle(unsigned agent) {
  for (unsigned ask = 0; ask < setting_.agents[agent].size(); ++ask) {
    now_.all[agent].ask = ask;
    transact(agent, Event::try_once, ask == 0 ? "tries" : "tries for its second ask");
    State next = now_;
    next.all[agent].at = At::join;
    emit(next, false, ask == 0 ? "goes to queue" : "goes to queue for its second ask", agent);
  }
  now_.all[agent].ask = 0;
  if (setting_.strays) transact(agent, Event::release, "releases what it does not hold");
  if (now_.clears == 0) return;
  const LockRecord record = records_[now_.record];  // a copy: new ones may come up and move it
  for (const Hold& hold : record.holders) {
    transact(agent, Event::clear, "clears, with force, the hold of", Records::number(hold.who));
  }
}

void Explorer::steps_of_holder(unsigned agent) {
  const Process& one = now_.all[agent];
  const Ask& ask = setting_.agents[agent][one.ask];
  transact(agent, Event::release, "releases");
  if (setting_.deeper && one.levels < 2 && !one.excused && ask.mode != Mode::permits) {
    transact(agent, Event::try_once, "asks again");
  }
  if (setting_.renews && ask.lease) transact(agent, Event::renew, "renews its lease");
  if (!setting_.exchanges || setting_.agents[agent].size() < 2) return;
  if (one.ask == 1) return exchange(agent, Event::downgrade, "downgrades");
  State next = now_;
  next.all[agent].at = At::join;
  emit(next, false, "goes to upgrade", agent);
}

void Explorer::steps_of_upgrader(unsigned agent) {
  const Process& one = now_.all[agent];
  if (now_.leaves > 0) exchange(agent, Event::upgrade_or_not, "tries to upgrade a last time");
  if (one.at == At::join) return exchange(agent, Event::upgrade, "asks to upgrade");
  wake_up(agent, At::join);
}

/// A sleeper that has a reason to goes to `where`; beside one that is stopped it may at any time.
void Explorer::wake_up(unsigned agent, At where) {
  const Process& one = now_.all[agent];
  const bool due = one.moved || one.next == Next::due || (one.watch & now_.dead()) != 0;
  if (!due && !now_.any_stopped()) return;
  State next = now_;
  Process& woken = next.all[agent];
  woken.at = where;
  woken.moved = false;
  woken.watch = 0;
  woken.next = Next::never;
  emit(next, true, due ? "wakes up" : "wakes up after a slice", agent);
}

void Explorer::steps_of_waiter(unsigned agent) {
  const Process& one = now_.all[agent];
  if (one.levels > 0) return steps_of_upgrader(agent);
  State next = now_;
  if (one.waits && now_.leaves > 0) {
    transact(agent, Event::leave, "times out");
    transact(agent, Event::cancel, "is cancelled");
  }
  if (one.at == At::join) return transact(agent, Event::join, "makes its transaction");
  if (one.at == At::read) {
    sleep_on_it(next, agent);
    return emit(next, true, next.all[agent].at == At::join ? "reads, and will act" : "reads, and sleeps",
                agent);
  }
  wake_up(agent, At::read);
}

void Explorer::steps_of_time() {
  const LockRecord record = records_[now_.record];
  const auto pass = [&](Event event, const char* words, unsigned other = kMostAgents) {
    State next = now_;
    next.record = records_.step(now_.record, event, 0, 0, false, 0, other).after;
    if (next.record == now_.record) return;
    if (other < kMostAgents && next.all[other].levels > 0) next.all[other].excused = true;
    emit(next, true, words, kMostAgents, other);
  };
  if (!record.waiters.empty()) pass(Event::age, "2 ms pass");
  if (Records::turn_stands(record)) pass(Event::lapse, "the turn lapses");
  for (const Hold& hold : record.holders) {
    if (Records::lease_runs(hold)) pass(Event::lease_over, "the lease ends of", Records::number(hold.who));
  }
}

void Explorer::expand() {
  for (unsigned i = 0; i < setting_.agents.size(); ++i) steps_of(i);
  if (now_.record != 0) steps_of_time();
}

std::uint32_t Explorer::number(const Packed& packed) {
  if (states_.size() * 2 > table_.size()) grow();
  std::uint32_t& place = slot(packed);
  if (place != kNone) return place;
  if (states_.size() >= setting_.most) {
    whole_ = false;
    return kNone;
  }
  place = static_cast<std::uint32_t>(states_.size());
  states_.push_back(packed);
  parents_.push_back(now_number_);
  return place;
}

std::uint32_t& Explorer::slot(const Packed& packed) {
  std::uint64_t hash = (packed.low ^ packed.high * 0x9E3779B97F4A7C15U) * 0xD6E8FEB86659FD93U;
  hash ^= hash >> 32U;
  std::size_t at = hash * 0xD6E8FEB86659FD93U >> 20U;
  for (;; ++at) {
    std::uint32_t& place = table_[at & (table_.size() - 1)];
    if (place == kNone || states_[place] == packed) return place;
  }
}

void Explorer::grow() {
  table_.assign(table_.size() * 2, kNone);
  for (std::uint32_t i = 0; i < states_.size(); ++i) slot(states_[i]) = i;
}

/// The first state from which no sure steps lead to one where all is fine; kNone if there is none.
std::uint32_t Explorer::first_astray() {
  const std::size_t expanded = sure_from_.size() - 1;
  const auto fine_after = [&](std::uint32_t target) { return target >= expanded || fine_[target]; };
  for (bool more = true; more;) {
    more = false;
    for (std::size_t i = expanded; i-- > 0;) {
      if (fine_[i]) continue;
      const auto first = sure_.begin() + static_cast<std::ptrdiff_t>(sure_from_[i]);
      const auto last = sure_.begin() + static_cast<std::ptrdiff_t>(sure_from_[i + 1]);
      if (!std::any_of(first, last, fine_after)) continue;
      fine_[i] = true;
      more = true;
    }
  }
  const auto astray = std::find(fine_.begin(), fine_.end(), false);
  return astray == fine_.end() ? kNone : static_cast<std::uint32_t>(astray - fine_.begin());
}

std::string Explorer::trace(std::uint32_t end, bool with_wrong_step) {
  std::vector<std::uint32_t> path;
  for (std::uint32_t at = end; at != 0; at = parents_[at]) path.push_back(at);
  std::string out;
  std::uint32_t from = 0;
  const auto tell = [&](const Packed* sought) {
    now_ = unpack(states_[from]);
    sought_ = sought;
    found_.clear();
    wrong_ = nullptr;
    expand();
    out += "  " + found_ + "\n";
    const std::string before = letters_;
    for (unsigned i = 0; i < kMostAgents; ++i) letters_[found_order_[i]] = before[i];
  };
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    tell(&states_[*step]);
    from = *step;
  }
  seek_wrong_ = with_wrong_step;
  if (seek_wrong_) tell(nullptr);
  return out;
}

Report Explorer::run() {
  State first;
  first.crashes = setting_.crashes;
  first.stops = setting_.stops;
  first.leaves = setting_.leaves;
  first.clears = setting_.clears;
  number(pack(first));
  Report report;
  sure_from_.push_back(0);
  for (; now_number_ < states_.size(); ++now_number_) {
    now_ = unpack(states_[now_number_]);
    const bool busy = has_business(now_);
    const bool astray = !busy && someone_misses_out(now_);
    if (astray && !now_.any_stopped()) {
      report.violation = "L1: a waiter sleeps for ever";
      break;
    }
    expand();
    if (wrong_ != nullptr) {
      report.violation = wrong_;
      break;
    }
    fine_.push_back(!busy && !astray);
    sure_from_.push_back(sure_.size());
  }
  report.states = states_.size();
  report.records = records_.size();
  report.whole = whole_ && report.violation.empty();
  std::uint32_t end = now_number_;
  if (report.violation.empty()) {
    end = first_astray();
    if (end == kNone) return report;
    report.violation = "L3: no sure step leads out of a state in which a waiter misses out";
  }
  report.trace = trace(end, wrong_ != nullptr);
  return report;
}

}  // namespace

Report explore(const Setting& setting, const Machine& machine) { return Explorer(setting, machine).run(); }

}  // namespace dcache::test
