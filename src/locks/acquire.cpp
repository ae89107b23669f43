// SPDX-License-Identifier: Apache-2.0
//
// Getting a lock: one try, a short spin, then a place in the queue and sleep.
//
// The wake word is loaded before the transaction or read whose answer is slept on, so no waking is lost. All
// waking is a hint: a waiter looks by itself now and then, with reads only.
#include <algorithm>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "dcache/error.hpp"
#include "locks/attempt.hpp"
#include "locks/log.hpp"
#include "locks/record_json.hpp"

namespace dcache {

namespace {

using std::chrono::steady_clock;

/// A try waits for a store in the middle of a write, but not for one that is stuck.
constexpr auto kStorePatience = std::chrono::seconds(1);

/// So long it looks again at once before it takes a place in the queue.
constexpr auto kSpin = std::chrono::milliseconds(2);

/// Most waits are over before this; only then is it worth having the holder watched.
constexpr auto kFirstSleep = std::chrono::milliseconds(1);

/// A wait for the store that a stop request must end is cut into such.
constexpr auto kStopSlice = std::chrono::milliseconds(25);

/// Without a board and a thread.
constexpr auto kLongestPause = std::chrono::seconds(1);

constexpr auto kTellPeriod = std::chrono::seconds(1);

/// Who has waited this long looks whether it is in a circle, and later again, at double the time. The circle
/// was closed by its youngest wait, and that one ends it; but not all may be in the records by then.
constexpr auto kFirstCircleLook = std::chrono::milliseconds(100);

/// So long a thread stands in line behind others of its process before others can see it wait.
constexpr auto kHidden = std::chrono::milliseconds(50);

}  // namespace

LockHandle::Impl::Attempt::Attempt(Impl& lock, Store& store, Deadline deadline, const std::stop_token* stop,
                                   locking::Wish wish, const locking::Sleeper* sleeper)
    : lock_(lock),
      store_(store),
      deadline_(deadline),
      stop_(stop),
      sleeper_(sleeper),
      by_(sleeper != nullptr ? wish.hold.who.agent : lock.caller()),
      wish_(std::move(wish)) {}

/// Runs a transaction, which may have to wait for those of others: in slices if that must be broken off when
/// a stop is requested, and without a thread for no more than one slice.
template <class F>
auto LockHandle::Impl::Attempt::patiently(F f) {
  const auto most = std::min<Duration>(kStorePatience, lock_.state_->options().timeout);
  if (!busy_until_) busy_until_ = std::max(deadline_, locking::deadline_after(most));
  const Deadline end = *busy_until_;
  for (;;) {
    Deadline slice = stop_ == nullptr ? end : std::min(end, steady_clock::now() + kStopSlice);
    if (sleeper_ != nullptr) slice = std::min(end, steady_clock::now() + patience_);
    try {
      auto done = f(slice);
      busy_until_.reset();
      return done;
    } catch (const Timeout&) {
      check_stop();
      if (steady_clock::now() >= end) throw;
      if (sleeper_ != nullptr) throw StoreIsBusy();
    }
  }
}

LockHandle::Impl::Failed LockHandle::Impl::Attempt::failed(Step step) {
  switch (step) {
    case Step::held:
      return Failed::no;
    case Step::tries:
      return Failed::tries;
    case Step::deadlock:
      return Failed::deadlock;
    default:
      return Failed::timeout;
  }
}

LockHandle::Impl::Failed LockHandle::Impl::Attempt::run() {
  for (;;) {
    const Step step = advance({});
    if (step != Step::sleep) return failed(step);
    sleep_now();
  }
}

LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::advance(std::chrono::milliseconds patience) {
  patience_ = patience;
  Step step = Step::go_on;
  try {
    while (step == Step::go_on) step = next();
  } catch (const StoreIsBusy&) {
    sleep_ = {.until = steady_clock::now()};
    return Step::sleep;
  }
  if (step == Step::held) count_grant();
  if (step != Step::sleep) end_wait();
  return step;
}

/// Others of this process may go on.
void LockHandle::Impl::Attempt::end_wait() noexcept {
  outside_.reset();
  line_.reset();
  watches_ = {};
  may_watch_.reset();
}

LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::next() {
  switch (phase_) {
    case Phase::first: {
      const Step step = try_first();
      if (step != Step::go_on) return step;
      waited_ = true;
      return over() ? Step::timeout : go_to(Phase::spin);
    }
    case Phase::spin:
      return spin();
    case Phase::line:
      return stand_in(line_, visible_);
    case Phase::outside:
      return stand_in(outside_, Clock::time_point::max());
    case Phase::queue:
      return queue();
    case Phase::look:
      return look();
    default:
      return woken();
  }
}

void LockHandle::Impl::Attempt::count_grant() const noexcept {
  store_.count(LockCounter::grants, 1);
  if (!waited_) return;
  store_.count(LockCounter::contended, 1);
  const auto microseconds = std::chrono::floor<std::chrono::microseconds>(steady_clock::now() - started_);
  store_.count(LockCounter::longest_wait, static_cast<std::uint64_t>(microseconds.count()));
}

void LockHandle::Impl::Attempt::check_stop() const {
  if (stop_ == nullptr || !stop_->stop_requested()) return;
  throw Cancelled(locking::name_of(lock_.key_) + ": the wait was cancelled by its stop token");
}

LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::count_try() {
  const std::uint64_t most = lock_.options_.max_tries;
  if (spinning_) return Step::go_on;  // its looks count as one
  return ++tries_ >= most && most != 0 ? Step::tries : Step::go_on;
}

/// The uncontended way: no record, so nothing to read.
bool LockHandle::Impl::Attempt::add() {
  locking::LockRecord record{.kind = wish_.kind, .limit = wish_.limit, .holders = {wish_.hold}};
  std::string bytes;
  const auto make = [&](std::uint64_t number) {
    record.fence = record.holders.front().fence = number;
    lock_.begin_now(record.holders.front());
    return bytes = locking::print(record);
  };
  const bool added = patiently(
      [&](Deadline deadline) { return store_.add_record(Space::locks, lock_.key_, make, deadline); });
  if (added) lock_.granted(record.holders.front(), wish_.hold.count, by_, std::move(bytes), false);
  return added;
}

/// Runs the machine on the record.
LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::change(locking::Queue queue) {
  wish_.queue = queue;
  locking::World world = locking::world_of(store_);
  std::string before;
  const auto ask = [&](const std::optional<locking::LockRecord>& old, std::uint64_t number) {
    if (old && !old->holders.empty()) before = old->holders.front().owner;
    // The transaction may have waited for its turn.
    world.boottime_us = locking::boottime_us();
    world.wall_us = locking::wall_us();
    lock_.begin_now(wish_.hold);
    return locking::acquire(old, wish_, number, world);
  };
  const auto [result, bytes] = patiently([&](Deadline deadline) {
    return locking::change_record(store_, *lock_.state_, lock_.key_, ask, deadline);
  });
  wish_.ticket = result.ticket;
  const locking::Hold* const own = locking::find_hold(result.record, wish_.hold.who);
  switch (result.outcome) {
    case Outcome::granted:
    case Outcome::again:
      lock_.granted(*own, wish_.hold.count, by_, bytes, result.owner_died);
      if (result.owner_died) {
        store_.count(LockCounter::takeovers, 1);
        locking::log_event(*lock_.state_, LockEvent::Kind::taken_over, lock_.key_, own->fence, before);
      }
      return Step::held;
    case Outcome::mismatch:
      throw InvalidArgument(locking::name_of(lock_.key_) + " is in use as " +
                            locking::described(result.record->kind, result.record->limit) +
                            ", so it cannot be " + locking::described(wish_.kind, wish_.limit) +
                            "; use another key");
    case Outcome::mine:
      if (own != nullptr && lock_.waits_for_itself(*own, by_)) return Step::deadlock;
      break;
    default:
      break;
  }
  look_ = locking::look(result.record, wish_, world);
  return count_try();
}

/// Reads the record; `look_.act` says whether it is worth a transaction.
LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::read() {
  const std::optional<locking::LockRecord> record = locking::read_record(store_, lock_.key_, *lock_.state_);
  look_ = locking::look(record, wish_, locking::world_of(store_));
  if (look_.wake && woken_for_ != look_.next) {
    woken_for_ = look_.next;
    store_.wake(look_.wake->session, look_.wake->agent);
  }
  if (wish_.ticket != 0) return Step::go_on;
  if (const locking::Hold* const own = locking::find_hold(record, wish_.hold.who)) {
    if (lock_.of_threads()) {
      look_.act = true;  // it may go deeper
    } else if (lock_.kind_ == locking::Kind::lock && lock_.waits_for_itself(*own, by_)) {
      return Step::deadlock;
    }
  }
  return Step::go_on;
}

/// A look, and a try if that may come to something, without a place in the queue.
LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::try_again() {
  if (const Step step = read(); step != Step::go_on) return step;
  return look_.act ? change(locking::Queue::stay_out) : count_try();
}

LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::try_first() {
  return add() ? Step::held : try_again();
}

/// Most locks are held for microseconds: some looks first, as a place in the queue costs all others more than
/// a look. Counted in time, as one yield may take as long as a hundred grants. Only on a thread of its own.
LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::spin() {
  spinning_ = true;
  // Not from when it asked first: that may have taken longer than this.
  const auto end = std::min<Deadline>(deadline_, steady_clock::now() + kSpin);
  while (sleeper_ == nullptr && steady_clock::now() < end) {
    std::this_thread::yield();
    check_stop();
    if (const Step step = try_again(); step != Step::go_on) return step;
  }
  spinning_ = false;
  if (over()) return Step::timeout;
  circle_look_ = std::max(started_ + kFirstCircleLook, steady_clock::now());
  // Strict order is kept by the record alone: in line, threads of one process would count as one.
  if (lock_.options_.fair) return go_to(Phase::queue);
  line_.emplace(wish_.hold.who.session, lock_.key_, on_first());
  // Only who holds something can be part of a circle; the others save their process write transactions.
  if (holds_any()) visible_ = steady_clock::now() + kHidden;
  return go_to(Phase::line);
}

/// Says whom it waits for, at first and then once a second.
void LockHandle::Impl::Attempt::tell() {
  if (!lock_.options_.on_wait) return;
  const auto now = steady_clock::now();
  if (now - told_ < kTellPeriod) return;
  const std::optional<locking::LockRecord> record = locking::read_record(store_, lock_.key_, *lock_.state_);
  if (!record || record->holders.empty()) return;
  told_ = now;
  lock_.options_.on_wait(locking::describe(record->holders.front(), store_), now - started_);
}

/// The circle of waiting threads that this wait has closed. Looked up twice: what is the same both times was
/// there at once.
std::vector<locking::Link> LockHandle::Impl::Attempt::circle() const {
  const auto look = [&] {
    const locking::World world = locking::world_of(store_);
    return locking::find_circle(locking::read_records(store_), wish_.ticket, world);
  };
  std::vector<locking::Link> first = look();
  if (!first.empty() && look() != first) first.clear();
  return first;
}

/// Who holds nothing is in nobody's way.
void LockHandle::Impl::Attempt::check_circle() {
  const auto now = steady_clock::now();
  if (now < circle_look_) return;
  circle_look_ = now + 2 * std::max<steady_clock::duration>(now - started_, kFirstCircleLook);
  if (!holds_any() || wish_.ticket == 0) return;
  const std::vector<locking::Link> found = circle();
  if (found.empty()) return;
  const std::string words = locking::in_words(found);
  locking::log_event(*lock_.state_, LockEvent::Kind::deadlock, lock_.key_, 0, words);
  throw Deadlock(locking::name_of(lock_.key_) + " would never be had, as threads wait for each other: " +
                 words + "; take locks in the same order everywhere, or use lock_all");
}

/// Until nobody of this process is before it, or the time has come to be seen by others.
LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::stand_in(std::optional<locking::Place>& place,
                                                                    steady_clock::time_point visible) {
  check_stop();
  const auto now = steady_clock::now();
  if (place->is_first() || now >= visible) {
    return go_to(phase_ == Phase::line ? Phase::queue : Phase::look);
  }
  if (over()) return Step::timeout;
  sleep_ = {.until = std::min(deadline_, visible)};
  if (lock_.options_.on_wait) {
    // At once, but without spinning while there is nobody to tell of.
    if (now - started_ >= kFirstSleep) tell();
    sleep_.until = std::min(sleep_.until, std::max(told_ + kTellPeriod, now + kFirstSleep));
  }
  return Step::sleep;
}

/// A try that takes or keeps a place in the queue of the record.
LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::queue() {
  seen_ = store_.wake_word(wish_.hold.who.agent);
  const bool last = over();
  check_stop();
  const Step step = change(last ? locking::Queue::leave : locking::Queue::join);
  if (step != Step::go_on) return step;
  if (last) return Step::timeout;
  if (wish_.ticket != 0) {
    outside_.reset();
  } else if (!outside_) {
    // The queue is full: of each process only the first looks for room in it.
    outside_.emplace(wish_.hold.who.session, lock_.key_ + '\0' + "outside", on_first());
    return go_to(Phase::outside);
  }
  return go_to(Phase::look);
}

/// In the queue: acts if there is a reason, else sleeps.
LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::look() {
  if (look_.act) return go_to(Phase::queue);
  tell();
  if (slept_ > 0) watch();
  sleep_ = doze();
  phase_ = Phase::woken;
  return Step::sleep;
}

LockHandle::Impl::Attempt::Step LockHandle::Impl::Attempt::woken() {
  check_stop();
  if (over()) return go_to(Phase::queue);
  check_circle();
  seen_ = store_.wake_word(wish_.hold.who.agent);
  static_cast<void>(read());
  const Step step = count_try();
  return step != Step::go_on ? step : go_to(Phase::look);
}

void LockHandle::Impl::Attempt::watch() {
  if (sleeper_ == nullptr) return watches_.set(store_, wish_.hold.who, look_.watch);
  std::vector<std::string> watched;
  for (const std::string& session : look_.watch) {
    if (session == wish_.hold.who.session) continue;
    may_watch_ = sleeper_->may_watch(session);
    if (may_watch_ == nullptr) continue;
    watched = {session};
    break;
  }
  watches_.set(store_, wish_.hold.who, watched);
}

/// How the next sleep is to be.
locking::Sleep LockHandle::Impl::Attempt::doze() {
  ++slept_;
  if (!seen_) {
    // Nothing can wake us: a turn is seen in time only if we look that often. A thread pauses by itself.
    if (sleeper_ == nullptr) return {};
    const auto pause = std::min<std::chrono::nanoseconds>(pause_.next(), kLongestPause);
    return {.until = std::min<Deadline>(deadline_, steady_clock::now() + pause)};
  }
  Deadline slice = wish_.ticket != 0 ? locking::end_of_slice(slept_ - 1, look_.ahead)
                                     : locking::end_of_slice_outside(slept_ - 1);
  if (sleeper_ != nullptr) {
    const auto now = steady_clock::now();
    slice = now + (slice - now) * sleeper_->rarely();
  }
  Deadline until = std::min(deadline_, slice);
  if (look_.next) until = std::min(until, locking::deadline_at(*look_.next));
  if (slept_ == 1) until = std::min(until, steady_clock::now() + kFirstSleep);
  if (holds_any()) until = std::min(until, circle_look_);
  return {.until = until, .seen = seen_};
}

/// Sleeps on this thread, as was said.
void LockHandle::Impl::Attempt::sleep_now() {
  locking::Place* const place = phase_ == Phase::line      ? &*line_
                                : phase_ == Phase::outside ? &*outside_
                                                           : nullptr;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
  if (stop_ != nullptr) {
    on_stop.emplace(*stop_, [this, place] {
      if (place != nullptr) place->wake();
      if (place == nullptr) store_.wake(wish_.hold.who.session, wish_.hold.who.agent);
    });
  }
  if (place != nullptr) {
    static_cast<void>(place->wait(sleep_.until, stop_));
  } else if (sleep_.seen) {
    store_.sleep(wish_.hold.who.agent, *sleep_.seen, sleep_.until);
  } else {
    static_cast<void>(pause_.wait());
  }
}

/// A place in the queue is never left behind: who gives up tells those behind it.
void LockHandle::Impl::Attempt::leave() noexcept {
  if (wish_.ticket == 0) return;
  const auto cancel = [ticket = std::exchange(wish_.ticket, 0)](const std::optional<locking::LockRecord>& old,
                                                                const locking::World& world) {
    return locking::cancel(old, ticket, world);
  };
  try {
    locking::do_or_keep(*lock_.state_, locking::duty(lock_.key_, cancel));
  } catch (const std::exception&) {
    // Out of memory: the place goes with the process, and until then lets its turns pass.
  }
}

void LockHandle::Impl::leave_adopted() {
  platform::MutexLock lock(mutex_);
  if (adopted_) forget(false);
  adopted_.reset();
}

LockHandle::Impl::Failed LockHandle::Impl::acquire(Deadline deadline, const std::stop_token* stop,
                                                   locking::Mode mode, std::uint64_t count) {
  Store& store = locking::store_for(*state_, key_);
  state_->retry_kept();
  leave_adopted();
  return Attempt(*this, store, deadline, stop, wish(store, mode, count)).run();
}

}  // namespace dcache
