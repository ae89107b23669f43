// SPDX-License-Identifier: Apache-2.0
//
// What a lock handle does, but for getting the lock: that is in acquire.cpp.
#include <algorithm>
#include <atomic>
#include <utility>

#include "dcache/error.hpp"
#include "locks/access.hpp"
#include "locks/handle_impl.hpp"
#include "locks/log.hpp"
#include "locks/record_json.hpp"
#include "locks/thread_end.hpp"
#include "locks/token.hpp"
#include "locks/waiting.hpp"
#include "platform/process.hpp"

namespace dcache {

namespace {

/// Beyond so many threads those that hold nothing are forgotten.
constexpr std::size_t kManyThreads = 64;

/// How many grants the calling thread took that nobody has given back.
std::shared_ptr<std::atomic<std::size_t>> taken_by_thread() {
  // Locks of static life are used after the objects of the main thread have gone.
  thread_local bool gone = false;
  struct Count {
    std::shared_ptr<std::atomic<std::size_t>> taken = std::make_shared<std::atomic<std::size_t>>(0);
    ~Count() { gone = true; }
  };
  if (gone) return std::make_shared<std::atomic<std::size_t>>(0);
  thread_local const Count count;
  return count.taken;
}

bool lease_is_over(const locking::Hold& hold) {
  return hold.lease && *hold.lease <= locking::lease_clock_us(hold.keep);
}

}  // namespace

LockHandle::Impl::Impl(std::shared_ptr<detail::CacheState> state, std::string key, LockOptions options,
                       locking::Kind kind, std::uint64_t limit)
    : state_(std::move(state)),
      key_(std::move(key)),
      options_(std::move(options)),
      kind_(kind),
      limit_(limit),
      handle_agent_(platform::new_agent()) {}

LockHandle::Impl::~Impl() DCACHE_TSA(no_thread_safety_analysis) { hold_levels(0); }

bool LockHandle::Impl::thread_holds_any() { return taken_by_thread()->load(std::memory_order_relaxed) > 0; }

void LockHandle::Impl::hold_levels(std::uint64_t levels) {
  if (levels > 0 && levels_ == 0 && platform::is_thread(by_)) {
    taken_ = taken_by_thread();
    taken_->fetch_add(1, std::memory_order_relaxed);
  }
  // Perhaps in another thread than the one that took it.
  if (levels == 0 && taken_ != nullptr)
    std::exchange(taken_, nullptr)->fetch_sub(1, std::memory_order_relaxed);
  levels_ = levels;
}

std::uint64_t LockHandle::Impl::caller() const noexcept {
  return options_.owner ? options_.owner->agent() : platform::thread_agent();
}

std::shared_ptr<LockHandle::Impl> LockHandle::Impl::mine() {
  // Without a count of its own: the handle lives as long as its calls.
  if (kind_ != locking::Kind::rwlock || options_.owner) return {std::shared_ptr<Impl>(), this};
  platform::MutexLock lock(threads_mutex_);
  std::shared_ptr<Impl>& own = threads_[platform::thread_agent()];
  if (own != nullptr) return own;
  own = std::make_shared<Impl>(state_, key_, options_, kind_);
  if (threads_.size() > kManyThreads) {
    // Threads may have ended long ago. What is in use is not idle.
    std::erase_if(threads_, [&](const auto& one) {
      if (one.second == own || one.second.use_count() > 1) return false;
      platform::MutexLock idle(one.second->mutex_);
      return one.second->levels_ == 0;
    });
  }
  return own;
}

locking::Agent LockHandle::Impl::me(Store& store) const {
  {
    platform::MutexLock lock(mutex_);
    if (adopted_) return *adopted_;
  }
  return {store.session(), of_threads() ? caller() : handle_agent_};
}

locking::Wish LockHandle::Impl::wish(Store& store, locking::Mode mode, std::uint64_t count) const {
  locking::Wish wish{.kind = kind_, .limit = limit_, .fair = options_.fair};
  locking::Hold& hold = wish.hold;
  hold.mode = mode;
  hold.count = count;
  hold.owner = options_.owner ? options_.owner->name() : locking::owner_name();
  hold.who = me(store);
  hold.keep = options_.keep;
  hold.label = options_.label;
  hold.tags = options_.tags.names();
  return wish;
}

void LockHandle::Impl::begin_now(locking::Hold& hold) const {
  hold.since = locking::wall_us();
  const std::int64_t now = options_.keep ? hold.since : locking::boottime_us();
  if (options_.lease) hold.lease = locking::microseconds_after(now, *options_.lease);
  if (options_.max_hold) {
    hold.most = locking::microseconds_after(now, *options_.max_hold);
    hold.lease = std::min(hold.lease.value_or(*hold.most), *hold.most);
  }
}

void LockHandle::Impl::granted(const locking::Hold& hold, std::uint64_t count, std::uint64_t by,
                               std::string bytes, bool owner_died) {
  platform::MutexLock lock(mutex_);
  const bool deeper = fence_ == hold.fence;
  std::erase_if(overrun_, [&](const auto& one) { return one.first == by; });
  if (!deeper && levels_ > 0 && by_ != by) overrun_.emplace_back(by_, fence_);
  if (!deeper) hold_levels(0);
  by_ = by;
  hold_levels(levels_ + count);
  who_ = hold.who;
  fence_ = hold.fence;
  count_ = hold.count;
  bytes_ = std::move(bytes);
  lost_ = false;
  if (!deeper) owner_died_ = std::exchange(untold_death_, false) || owner_died;
  if (!deeper) since_ = hold.since;
  if (deeper) return;
  begin_renewal(hold);
  if (of_threads() && platform::is_thread(by)) locking::note_grant(state_, key_, who_, fence_, renewal_);
}

std::uint64_t LockHandle::Impl::take_overrun(std::uint64_t by) {
  platform::MutexLock lock(mutex_);
  const auto own =
      std::find_if(overrun_.begin(), overrun_.end(), [&](const auto& one) { return one.first == by; });
  if (own == overrun_.end()) return 0;
  const std::uint64_t fence = own->second;
  overrun_.erase(own);
  return fence;
}

bool LockHandle::Impl::waits_for_itself(const locking::Hold& own, std::uint64_t by) const {
  if (own.lease) return false;
  // Of two tasks that share a handle, and that nobody can tell apart, one waits for the other.
  if (!platform::is_thread(by) && !options_.owner) return false;
  platform::MutexLock lock(mutex_);
  // Without levels it was unlocked, but that could not be committed yet.
  const bool here = levels_ > 0 && own.fence == fence_ && by_ == by;
  return here || (of_threads() && own.fence != fence_);
}

void LockHandle::Impl::throw_failed(Failed why, Duration waited) const {
  const std::string what = locking::name_of(key_) + " in '" + escape(state_->directory().native()) + "'";
  if (why == Failed::deadlock) {
    throw Deadlock(what +
                   (kind_ == locking::Kind::rwlock
                        ? " is held by this thread, or to be upgraded by another reader as well, so that "
                          "waiting would never end; unlock it first"
                        : " is already held by this handle and thread; unlock it first, or use SyncRLock"));
  }
  std::string text = what + " was not to be had ";
  text += why == Failed::tries ? "in " + std::to_string(options_.max_tries) + " tries"
                               : "within " + locking::seconds_text(waited) + " s";
  if (const std::optional<locking::LockRecord> record = look()) {
    if (!record->holders.empty()) {
      const locking::Hold& hold = record->holders.front();
      text += ": held by " + escape(hold.owner);
      if (!hold.label.empty()) text += " (" + escape(hold.label) + ")";
      const std::int64_t age = std::max<std::int64_t>(locking::wall_us() - hold.since, 0);
      text += " for " + locking::seconds_text(std::chrono::microseconds(age)) + " s";
      if (hold.lease) {
        const std::int64_t left = std::max<std::int64_t>(*hold.lease - locking::lease_clock_us(hold.keep), 0);
        text += hold.keep ? ", kept for another " : ", its lease ends in ";
        text += locking::seconds_text(std::chrono::microseconds(left)) + " s";
      }
    }
    if (!record->waiters.empty()) text += "; " + std::to_string(record->waiters.size()) + " waiting";
  }
  throw Timeout(text);
}

std::optional<locking::LockRecord> LockHandle::Impl::look() const {
  return locking::read_record(locking::store_for(*state_, key_), key_, *state_);
}

void LockHandle::Impl::forget(bool lost) {
  end_renewal();
  hold_levels(0);
  lost_ = lost;
  bytes_.clear();
}

void LockHandle::Impl::tell_lost(std::uint64_t fence) const {
  if (options_.on_lost) options_.on_lost(key_, fence);
  state_->store().count(LockCounter::lost, 1);
  locking::log_event(*state_, LockEvent::Kind::lost, key_, fence);
}

Release LockHandle::Impl::release(std::uint64_t count) {
  return release(count, caller(), locking::deadline_after(state_->options().timeout));
}

Release LockHandle::Impl::release(std::uint64_t count, std::uint64_t by, Deadline deadline) {
  Store& store = locking::store_for(*state_, key_);
  if (const std::uint64_t overrun = take_overrun(by)) {
    tell_lost(overrun);
    return Release::lost;
  }
  const locking::Agent self = me(store);
  std::uint64_t lost_fence = 0;
  {
    const auto paused = pause_renewal();
    platform::MutexLock turn(release_mutex_);
    std::optional<std::uint64_t> fence;
    std::string alone;
    {
      platform::MutexLock lock(mutex_);
      const bool held_here = levels_ > 0;
      if (!of_threads() && levels_ < count) return Release::not_owner;
      // Another thread's hold through this handle is not this thread's to release.
      if (of_threads() && held_here && self != who_) return Release::not_owner;
      if (held_here) fence = fence_;
      if (held_here && count_ == count) alone = bytes_;
    }
    locking::Changed changed;
    locking::Result& result = changed.result;
    // Who waits is never removed along with the grant: the machine passes the lock on.
    if (!alone.empty() && store.erase_record(Space::locks, key_, alone, deadline)) {
      result.outcome = locking::Outcome::released;
    } else {
      changed = locking::change_record(
          store, *state_, key_,
          [&](const std::optional<locking::LockRecord>& old, std::uint64_t) {
            return locking::release(old, self, fence, count, locking::world_of(store));
          },
          deadline);
    }
    platform::MutexLock lock(mutex_);
    // Another thread may have got the lock through this handle by now.
    const bool newest = fence && *fence == fence_;
    switch (result.outcome) {
      case locking::Outcome::shallower:
        if (newest) hold_levels(levels_ - count);
        if (const locking::Hold* const hold = locking::find_hold(result.record, self)) count_ = hold->count;
        bytes_ = std::move(changed.bytes);
        return Release::released;
      case locking::Outcome::released:
        if (newest) {
          const std::int64_t held = std::max<std::int64_t>(locking::wall_us() - since_, 0);
          store.count(LockCounter::longest_hold, static_cast<std::uint64_t>(held));
          forget(false);
        }
        if (of_threads()) locking::forget_grant(self, key_);
        return Release::released;
      case locking::Outcome::not_owner:
        return Release::not_owner;
      default:
        if (newest && !known_lost()) lost_fence = fence_;
        if (newest) forget(true);
    }
  }
  if (lost_fence != 0) tell_lost(lost_fence);
  return Release::lost;
}

/// The release of one level, or of a kept grant what leaves it to its lease; without this handle.
locking::Duty LockHandle::Impl::giving_back(bool keep, std::uint64_t count) const {
  return locking::duty(key_, [key = key_, who = who_, fence = fence_, keep, count](
                                 const std::optional<locking::LockRecord>& old, const locking::World& world) {
    locking::Result result =
        keep ? locking::leave_kept(old, who, fence) : locking::release(old, who, fence, count, world);
    // Should it fail to be stored, it is the cache's to give back, and no more the thread's when it ends.
    if (result.outcome == locking::Outcome::released) locking::forget_grant(who, key);
    return result;
  });
}

void LockHandle::Impl::throw_not_owner() const {
  std::string text = locking::name_of(key_) + " is not held here, so it cannot be released or renewed here";
  if (const std::optional<locking::LockRecord> record = look(); record && !record->holders.empty()) {
    const locking::Hold& hold = record->holders.front();
    text += ": held by " + escape(hold.owner) + ", count " + std::to_string(hold.count);
  }
  throw NotOwner(text);
}

/// What unlocking means for a kept grant; false if there is none here. How deep it is the record knows
/// better.
bool LockHandle::Impl::leave_kept(std::uint64_t by) {
  locking::Duty again;
  locking::Agent who;
  std::uint64_t fence = 0;
  bool told = false;
  const auto paused = pause_renewal();
  {
    platform::MutexLock lock(mutex_);
    if (levels_ == 0 || (of_threads() && by_ != by)) return false;
    again = giving_back(true, 1);
    who = who_;
    fence = fence_;
    told = known_lost();
    if (levels_ == 1) {
      forget(told);
    } else {
      hold_levels(levels_ - 1);
    }
  }
  try {
    const locking::Changed left = locking::change_record(
        locking::store_for(*state_, key_), *state_, key_,
        [&](const std::optional<locking::LockRecord>& old, std::uint64_t) {
          return locking::leave_kept(old, who, fence);
        },
        locking::deadline_after(state_->options().timeout));
    if (left.result.outcome == locking::Outcome::released) locking::forget_grant(who, key_);
    if (left.result.outcome != locking::Outcome::lost) return true;
  } catch (const Error& failed) {
    state_->keep(again);
    state_->report(failed);
    return true;
  }
  {
    platform::MutexLock lock(mutex_);
    if (fence_ == fence) forget(true);
  }
  if (!told) tell_lost(fence);
  return true;
}

void LockHandle::Impl::unlock(std::uint64_t count) { unlock(count, caller()); }

void LockHandle::Impl::unlock(std::uint64_t count, std::uint64_t by) {
  if (state_->forked()) return;
  if (const std::uint64_t overrun = take_overrun(by)) return tell_lost(overrun);
  if (options_.keep && leave_kept(by)) return;
  if (give_back(count, by) == Release::not_owner) throw_not_owner();
}

Release LockHandle::Impl::give_back(std::uint64_t count, std::uint64_t by) {
  try {
    return release(count, by, locking::deadline_after(state_->options().timeout));
  } catch (const Error& failed) {
    {
      platform::MutexLock lock(mutex_);
      // Another thread's level is not this one's to give back, now or later.
      if (levels_ < count || (of_threads() && by_ != by)) throw;
      state_->keep(giving_back(false, count));
      hold_levels(levels_ - count);
    }
    state_->report(failed);
    return Release::released;
  }
}

void LockHandle::Impl::destroy() noexcept {
  if (state_->forked()) return;
  {
    platform::MutexLock lock(threads_mutex_);
    for (const auto& [thread, one] : threads_) one->destroy();
  }
  std::optional<std::stop_source> end;
  {
    platform::MutexLock lock(mutex_);
    gone_ = true;
    end = end_;
  }
  if (end) end->request_stop();
  const auto paused = pause_renewal();
  platform::MutexLock lock(mutex_);
  end_renewal();
  if (adopted_) return;
  while (levels_ > 0) {
    // Whichever thread destroys it: the grant is the handle's to give back. A kept one goes level by level.
    const std::uint64_t count = options_.keep ? 1 : levels_;
    try {
      locking::do_or_keep(*state_, giving_back(options_.keep, count));
    } catch (const std::exception&) {
      return;
    }
    hold_levels(levels_ - count);
  }
}

std::stop_token LockHandle::Impl::end() {
  platform::MutexLock lock(mutex_);
  if (!end_) end_.emplace();
  return end_->get_token();
}

bool LockHandle::Impl::owned() {
  Store& store = locking::store_for(*state_, key_);
  const locking::Agent self = me(store);
  std::uint64_t lost_fence = 0;
  {
    platform::MutexLock turn(release_mutex_);
    std::uint64_t known = 0;
    {
      platform::MutexLock lock(mutex_);
      known = fence_;
    }
    const std::optional<locking::LockRecord> record = look();
    platform::MutexLock lock(mutex_);
    const locking::Hold* const hold = locking::find_hold(record, self);
    if (hold != nullptr && !lease_is_over(*hold) && (levels_ == 0 || hold->fence == fence_)) return true;
    // A grant that is newer than the record just read is not lost.
    if (levels_ > 0 && who_ == self && fence_ == known && !known_lost()) {
      lost_ = true;
      lost_fence = fence_;
    }
  }
  if (lost_fence != 0) tell_lost(lost_fence);
  return false;
}

/// Of the grant that this handle has or, of a re-entrant lock, the thread through any handle; 0, which no
/// grant has, if there is none.
std::uint64_t LockHandle::Impl::held_fence(Store& store, const locking::Agent& self) const {
  {
    platform::MutexLock lock(mutex_);
    if (levels_ > 0 && who_ == self) return fence_;
  }
  if (!of_threads()) return 0;
  const std::optional<locking::LockRecord> record = locking::read_record(store, key_, *state_);
  const locking::Hold* const hold = locking::find_hold(record, self);
  return hold != nullptr ? hold->fence : 0;
}

std::string LockHandle::Impl::token() {
  platform::MutexLock lock(mutex_);
  return fence_ == 0 ? std::string() : locking::token_of(who_.session, fence_);
}

bool LockHandle::Impl::adopt(std::string_view token) {
  const std::optional<locking::LockRecord> record = look();
  const locking::Hold* const hold = record ? locking::find_token(*record, token) : nullptr;
  if (hold == nullptr) return false;
  platform::MutexLock lock(mutex_);
  if (levels_ > 0 && !adopted_) {
    throw Misuse(locking::name_of(key_) + " is held by this handle, which therefore cannot adopt a grant");
  }
  adopted_ = who_ = hold->who;
  by_ = caller();
  hold_levels(kind_ == locking::Kind::semaphore ? hold->count : 1);
  fence_ = hold->fence;
  count_ = hold->count;
  bytes_.clear();
  end_renewal();
  lost_ = owner_died_ = false;
  return true;
}

Guard LockHandle::Impl::guard() {
  Store& store = locking::store_for(*state_, key_, locking::Inside::allowed);
  const locking::Agent self = me(store);
  const std::uint64_t fence = held_fence(store, self);
  const auto holds = [self, fence](const std::string* bytes) {
    const auto record = bytes != nullptr ? locking::parse(*bytes) : std::nullopt;
    const locking::Hold* const hold = locking::find_hold(record, self);
    return hold != nullptr && hold->fence == fence && !lease_is_over(*hold);
  };
  return {store.uuid(), key_, holds};
}

}  // namespace dcache
