// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <utility>

#include "cache/limits.hpp"
#include "cache/state.hpp"
#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "locks/access.hpp"
#include "locks/record_json.hpp"
#include "locks/waiting.hpp"
#include "platform/clock.hpp"
#include "platform/mutex.hpp"
#include "platform/process.hpp"

namespace dcache {

namespace {

/// A try waits for a store in the middle of a write, but not for one that is stuck.
constexpr auto kStorePatience = std::chrono::seconds(1);

/// How long a release that failed once may hold up the call that tries it again.
constexpr auto kRetryPatience = std::chrono::milliseconds(100);

constexpr std::size_t kShownKey = 200;

constexpr std::size_t kMaxLabelBytes = 256;

void check_options(std::string_view key, LockOptions& options) {
  const std::string what = "lock '" + escape(key, kShownKey) + "': ";
  if (options.timeout < Duration()) {
    throw InvalidArgument(what + "the timeout cannot be negative; 0 means one try, dcache::forever no limit");
  }
  if (options.lease && *options.lease <= Duration()) {
    throw InvalidArgument(
        what + "the lease must be longer than 0; leave it out for a lock that ends with its holder");
  }
  if (options.lease && options.lease->is_forever()) options.lease.reset();
  if (options.label.size() > kMaxLabelBytes) {
    throw InvalidArgument(what + "the label has " + std::to_string(options.label.size()) +
                          " bytes, at most " + std::to_string(kMaxLabelBytes));
  }
  if (options.backoff.base <= Duration() || options.backoff.cap < options.backoff.base) {
    throw InvalidArgument(what + "the backoff needs 0 < base <= cap");
  }
  options.tags = Tags(checked_tags(options.tags));
  for (const std::string& text : options.tags) {
    if (!is_utf8(text)) throw InvalidArgument(what + "the tag '" + escape(text) + "' is not valid UTF-8");
  }
  if (!is_utf8(options.label)) {
    throw InvalidArgument(what + "the label '" + escape(options.label) + "' is not valid UTF-8");
  }
}

}  // namespace

class LockHandle::Impl {
 public:
  Impl(std::shared_ptr<detail::CacheState> state, std::string key, LockOptions options, locking::Kind kind)
      : state_(std::move(state)),
        key_(std::move(key)),
        options_(std::move(options)),
        kind_(kind),
        handle_agent_(platform::new_agent()) {}

  enum class Failed { no, timeout, tries, deadlock };

  Failed acquire(Deadline deadline, const std::stop_token* stop);
  [[noreturn]] void throw_failed(Failed why, Duration waited) const;
  Release release();
  void unlock();
  void destroy() noexcept;
  bool owned();
  Guard guard();
  std::optional<locking::LockRecord> look() const;
  [[nodiscard]] static locking::World world(Store& store);

  const std::shared_ptr<detail::CacheState> state_;
  const std::string key_;
  const LockOptions options_;
  const locking::Kind kind_;

  mutable platform::Mutex mutex_;
  std::uint64_t levels_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< how often this handle holds the newest grant
  locking::Agent who_ DCACHE_GUARDED_BY(mutex_);        ///< to whom it was granted
  std::uint64_t thread_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< the thread that took it
  std::uint64_t fence_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::uint64_t count_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< what the record says of it, as last seen
  std::string bytes_ DCACHE_GUARDED_BY(mutex_);        ///< the record, as last seen
  bool leased_ DCACHE_GUARDED_BY(mutex_) = false;
  bool lost_ DCACHE_GUARDED_BY(mutex_) = false;
  bool owner_died_ DCACHE_GUARDED_BY(mutex_) = false;

 private:
  [[nodiscard]] locking::Agent me(Store& store) const;
  [[nodiscard]] locking::Hold wish(Store& store) const;
  locking::Outcome try_once(Store& store, Deadline deadline, std::uint64_t& seen);
  void granted(const locking::LockRecord& record, std::string bytes, bool owner_died);
  bool worth_a_try(Store& store) const;
  [[nodiscard]] std::function<bool(detail::CacheState&)> later() const DCACHE_REQUIRES(mutex_);
  void forget(bool lost) DCACHE_REQUIRES(mutex_);

  const std::uint64_t handle_agent_;
};

locking::Agent LockHandle::Impl::me(Store& store) const {
  return {store.session(), kind_ == locking::Kind::rlock ? platform::thread_agent() : handle_agent_};
}

locking::Hold LockHandle::Impl::wish(Store& store) const {
  locking::Hold hold;
  hold.owner = std::to_string(platform::pid());
  hold.owner.append(1, '-').append(std::to_string(platform::tid()));
  hold.who = me(store);
  hold.since = platform::now().unix_nanoseconds() / 1000;
  if (options_.lease) {
    const std::int64_t lease = options_.lease->nanoseconds().count() / 1000;
    hold.lease = locking::boottime_us() + std::max<std::int64_t>(lease, 1);
  }
  hold.label = options_.label;
  hold.tags = options_.tags.names();
  return hold;
}

locking::World LockHandle::Impl::world(Store& store) {
  return {.boottime_us = locking::boottime_us(),
          .alive = [&store](const std::string& session) { return store.alive(session); }};
}

void LockHandle::Impl::granted(const locking::LockRecord& record, std::string bytes, bool owner_died) {
  const locking::Hold& hold = record.holders.front();
  platform::MutexLock lock(mutex_);
  const bool deeper = fence_ == hold.fence;
  levels_ = deeper ? levels_ + 1 : 1;
  who_ = hold.who;
  thread_ = platform::thread_agent();
  fence_ = hold.fence;
  count_ = hold.count;
  leased_ = hold.lease.has_value();
  bytes_ = std::move(bytes);
  lost_ = false;
  if (!deeper) owner_died_ = owner_died;
}

/// `seen` becomes the fence of whoever keeps this try from the lock.
locking::Outcome LockHandle::Impl::try_once(Store& store, Deadline deadline, std::uint64_t& seen) {
  locking::Hold wanted = wish(store);
  locking::LockRecord record{.kind = kind_, .fence = 0, .holders = {wanted}};
  std::string bytes;
  const bool added = store.add_record(
      Space::locks, key_,
      [&](std::uint64_t fence) {
        record.fence = record.holders.front().fence = fence;
        return bytes = locking::print(record);
      },
      deadline);
  if (added) {
    granted(record, std::move(bytes), false);
    return locking::Outcome::granted;
  }
  const locking::World around = world(store);
  const locking::Result result = locking::change_record(
      store, *state_, key_,
      [&](const std::optional<locking::LockRecord>& old, std::uint64_t fence) {
        wanted.fence = fence;
        return locking::acquire(old, kind_, wanted, around);
      },
      deadline);
  if (result.outcome == locking::Outcome::granted || result.outcome == locking::Outcome::again) {
    granted(*result.record, locking::print(*result.record), result.owner_died);
  }
  if (result.record && !result.record->holders.empty()) seen = result.record->holders.front().fence;
  return result.outcome;
}

/// A look without a write transaction, so that waiters do not keep the store from those who work.
bool LockHandle::Impl::worth_a_try(Store& store) const {
  const std::optional<std::string> bytes = store.record(Space::locks, key_);
  const std::optional<locking::LockRecord> record =
      locking::read_record(bytes ? &*bytes : nullptr, key_, *state_);
  return !record || record->holders.empty() || locking::ended(record->holders.front(), world(store));
}

LockHandle::Impl::Failed LockHandle::Impl::acquire(Deadline deadline, const std::stop_token* stop) {
  Store& store = locking::store_for(*state_, key_);
  state_->retry_kept();
  locking::Pause pause(options_.backoff, deadline, stop);
  for (std::uint64_t tries = 1;; ++tries) {
    if (tries == 1 || worth_a_try(store)) {
      const Deadline patience = std::chrono::steady_clock::now() + kStorePatience;
      std::uint64_t seen = 0;
      const locking::Outcome outcome = try_once(store, std::max(deadline, patience), seen);
      if (outcome == locking::Outcome::granted || outcome == locking::Outcome::again) return Failed::no;
      if (outcome == locking::Outcome::mine) {
        // Unless another thread has just got it through this handle, and has yet to note that here.
        platform::MutexLock lock(mutex_);
        if (seen == fence_ && thread_ == platform::thread_agent() && !leased_) return Failed::deadlock;
      }
    }
    if (options_.max_tries != 0 && tries >= options_.max_tries) return Failed::tries;
    switch (pause.wait()) {
      case locking::Pause::Ended::waited:
        break;
      case locking::Pause::Ended::deadline:
        return Failed::timeout;
      case locking::Pause::Ended::stopped:
        throw Cancelled("lock '" + escape(key_, kShownKey) + "': the wait was cancelled by its stop token");
    }
  }
}

void LockHandle::Impl::throw_failed(Failed why, Duration waited) const {
  const std::string what =
      "lock '" + escape(key_, kShownKey) + "' in '" + escape(state_->directory().native()) + "'";
  if (why == Failed::deadlock) {
    throw Deadlock(what + " is already held by this handle and thread; unlock it first, or use SyncRLock");
  }
  std::string text = what + " was not to be had ";
  text += why == Failed::tries ? "in " + std::to_string(options_.max_tries) + " tries"
                               : "within " + locking::seconds_text(waited) + " s";
  if (const std::optional<locking::LockRecord> record = look(); record && !record->holders.empty()) {
    const locking::Hold& hold = record->holders.front();
    const std::int64_t age = platform::now().unix_nanoseconds() - hold.since * 1000;
    text += ": held by " + escape(hold.owner);
    if (!hold.label.empty()) text += " (" + escape(hold.label) + ")";
    text += " for " + locking::seconds_text(std::chrono::nanoseconds(age)) + " s";
  }
  throw Timeout(text);
}

std::optional<locking::LockRecord> LockHandle::Impl::look() const {
  const std::optional<std::string> bytes = locking::store_for(*state_, key_).record(Space::locks, key_);
  return locking::read_record(bytes ? &*bytes : nullptr, key_, *state_);
}

void LockHandle::Impl::forget(bool lost) {
  levels_ = 0;
  lost_ = lost;
  bytes_.clear();
}

Release LockHandle::Impl::release() {
  Store& store = locking::store_for(*state_, key_);
  platform::MutexLock lock(mutex_);
  const bool held_here = levels_ > 0;
  const locking::Agent who = kind_ == locking::Kind::rlock ? me(store) : who_;
  if (kind_ == locking::Kind::lock && !held_here) return Release::not_owner;
  // Another thread's hold through this handle is not this thread's to release.
  if (held_here && who != who_) return Release::not_owner;

  const Deadline deadline = locking::deadline_after(state_->options().timeout);
  if (held_here && count_ == 1 && store.erase_record(Space::locks, key_, bytes_, deadline)) {
    forget(false);
    return Release::released;
  }
  const std::optional<std::uint64_t> fence = held_here ? std::optional(fence_) : std::nullopt;
  const locking::Result result = locking::change_record(
      store, *state_, key_,
      [&](const std::optional<locking::LockRecord>& old, std::uint64_t) {
        return locking::release(old, who, fence);
      },
      deadline);
  switch (result.outcome) {
    case locking::Outcome::shallower:
      if (held_here) --levels_;
      count_ = result.record->holders.front().count;
      bytes_ = locking::print(*result.record);
      return Release::released;
    case locking::Outcome::released:
      forget(false);
      return Release::released;
    case locking::Outcome::not_owner:
      return Release::not_owner;
    default:
      forget(true);
      return Release::lost;
  }
}

/// What a release that could not be committed leaves behind: the same release, without this handle.
std::function<bool(detail::CacheState&)> LockHandle::Impl::later() const {
  return [key = key_, who = who_, fence = fence_](detail::CacheState& state) {
    try {
      Store& store = locking::store_for(state, key);
      static_cast<void>(locking::change_record(
          store, state, key,
          [&](const std::optional<locking::LockRecord>& old, std::uint64_t) {
            return locking::release(old, who, fence);
          },
          locking::deadline_after(kRetryPatience)));
      return true;
    } catch (const std::exception&) {
      return state.forked();
    }
  };
}

void LockHandle::Impl::unlock() {
  if (state_->forked()) return;
  try {
    if (release() != Release::not_owner) return;
  } catch (const Error& failed) {
    {
      platform::MutexLock lock(mutex_);
      if (levels_ == 0) throw;
      state_->keep(later());
      --levels_;
    }
    state_->report(failed);
    return;
  }
  std::string text = "lock '" + escape(key_, kShownKey) + "' is not held here, so it cannot be released here";
  if (const std::optional<locking::LockRecord> record = look(); record && !record->holders.empty()) {
    const locking::Hold& hold = record->holders.front();
    text += ": held by " + escape(hold.owner) + ", count " + std::to_string(hold.count);
  }
  throw NotOwner(text);
}

void LockHandle::Impl::destroy() noexcept {
  if (state_->forked()) return;
  platform::MutexLock lock(mutex_);
  while (levels_ > 0) {
    // Whichever thread destroys it: the grant is the handle's to give back.
    try {
      if (!later()(*state_)) state_->keep(later());
    } catch (const std::exception&) {
      return;
    }
    --levels_;
  }
}

bool LockHandle::Impl::owned() {
  const std::optional<locking::LockRecord> record = look();
  Store& store = locking::store_for(*state_, key_);
  const locking::Agent self = me(store);
  platform::MutexLock lock(mutex_);
  if (record && !record->holders.empty()) {
    const locking::Hold& hold = record->holders.front();
    const bool over = hold.lease && *hold.lease <= locking::boottime_us();
    if (hold.who == self && !over && (levels_ == 0 || hold.fence == fence_)) return true;
  }
  if (levels_ > 0 && who_ == self) lost_ = true;
  return false;
}

Guard LockHandle::Impl::guard() {
  Store& store = locking::store_for(*state_, key_, locking::Inside::allowed);
  const locking::Agent self = me(store);
  std::uint64_t fence = 0;  // which no grant has
  {
    platform::MutexLock lock(mutex_);
    if (levels_ > 0 && who_ == self) fence = fence_;
  }
  // The thread may hold it through another handle.
  if (fence == 0 && kind_ == locking::Kind::rlock) {
    const std::optional<std::string> bytes = store.record(Space::locks, key_);
    const std::optional<locking::LockRecord> record =
        locking::read_record(bytes ? &*bytes : nullptr, key_, *state_);
    if (record && !record->holders.empty() && record->holders.front().who == self) {
      fence = record->holders.front().fence;
    }
  }
  const auto holds = [self, fence](const std::string* bytes) {
    const std::optional<locking::LockRecord> record =
        bytes != nullptr ? locking::parse(*bytes) : std::optional<locking::LockRecord>();
    if (!record || record->holders.empty()) return false;
    const locking::Hold& hold = record->holders.front();
    const bool over = hold.lease && *hold.lease <= locking::boottime_us();
    return hold.who == self && hold.fence == fence && !over;
  };
  return {store.uuid(), key_, holds};
}

LockHandle::LockHandle(Cache& cache, ByteView key, LockOptions options, Kind kind) {
  check_key(key.view());
  check_options(key.view(), options);
  impl_ = std::make_unique<Impl>(cache.state(), std::string(key.view()), std::move(options),
                                 kind == Kind::reentrant ? locking::Kind::rlock : locking::Kind::lock);
}

LockHandle::LockHandle(LockHandle&&) noexcept = default;

LockHandle& LockHandle::operator=(LockHandle&& other) noexcept {
  if (this != &other) {
    if (impl_ != nullptr) impl_->destroy();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

LockHandle::~LockHandle() {
  if (impl_ != nullptr) impl_->destroy();
}

void LockHandle::lock() {
  const Impl::Failed failed = impl_->acquire(locking::deadline_after(impl_->options_.timeout), nullptr);
  if (failed != Impl::Failed::no) impl_->throw_failed(failed, impl_->options_.timeout);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): as std::condition_variable_any takes it
void LockHandle::lock(std::stop_token stop) {
  const Impl::Failed failed = impl_->acquire(locking::deadline_after(impl_->options_.timeout), &stop);
  if (failed != Impl::Failed::no) impl_->throw_failed(failed, impl_->options_.timeout);
}

bool LockHandle::try_lock() { return try_lock_for(Duration()); }

bool LockHandle::try_lock_for(Duration limit) {
  return impl_->acquire(locking::deadline_after(std::max(limit, Duration())), nullptr) == Impl::Failed::no;
}

void LockHandle::unlock() { impl_->unlock(); }
Release LockHandle::release() { return impl_->release(); }

bool LockHandle::locked() const { return holder().has_value(); }
bool LockHandle::owned() const { return impl_->owned(); }

bool LockHandle::lost() const noexcept {
  platform::MutexLock lock(impl_->mutex_);
  return impl_->lost_;
}

std::uint64_t LockHandle::fence() const noexcept {
  platform::MutexLock lock(impl_->mutex_);
  return impl_->fence_;
}

bool LockHandle::previous_owner_died() const noexcept {
  platform::MutexLock lock(impl_->mutex_);
  return impl_->owner_died_;
}

std::optional<Holder> LockHandle::holder() const {
  const std::optional<locking::LockRecord> record = impl_->look();
  Store& store = locking::store_for(*impl_->state_, impl_->key_);
  if (!record || record->holders.empty() || locking::ended(record->holders.front(), Impl::world(store))) {
    return std::nullopt;
  }
  return locking::describe(record->holders.front(), store);
}

Guard LockHandle::guard() const { return impl_->guard(); }

const std::string& LockHandle::key() const noexcept { return impl_->key_; }
const LockOptions& LockHandle::options() const noexcept { return impl_->options_; }

SyncLock::SyncLock(Cache& cache, ByteView key, LockOptions options)
    : LockHandle(cache, key, std::move(options), Kind::plain) {}

SyncRLock::SyncRLock(Cache& cache, ByteView key, LockOptions options)
    : LockHandle(cache, key, std::move(options), Kind::reentrant) {}

}  // namespace dcache
