// SPDX-License-Identifier: Apache-2.0
//
// The public lock classes: each call goes to what the handle keeps for the calling thread.
#include <algorithm>
#include <utility>

#include "cache/limits.hpp"
#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "dcache/rw_lock.hpp"
#include "dcache/semaphore.hpp"
#include "locks/access.hpp"
#include "locks/handle_impl.hpp"
#include "locks/options.hpp"
#include "platform/process.hpp"

namespace dcache {

locking::Kind LockHandle::Impl::kind_of(LockHandle::Kind kind) noexcept {
  switch (kind) {
    case LockHandle::Kind::reentrant:
      return locking::Kind::rlock;
    case LockHandle::Kind::shared:
      return locking::Kind::rwlock;
    case LockHandle::Kind::counted:
      return locking::Kind::semaphore;
    default:
      return locking::Kind::lock;
  }
}

LockOwner::LockOwner()
    : agent_(platform::new_agent()), name_(locking::owner_name() + '/' + std::to_string(agent_)) {}

LockHandle::LockHandle(Cache& cache, ByteView key, LockOptions options, Kind kind, std::uint64_t limit) {
  check_key(key.view());
  locking::check_options(key.view(), options);
  if (options.owner && kind != Kind::reentrant && kind != Kind::shared) {
    throw InvalidArgument(locking::name_of(key.view()) +
                          ": it belongs to its handle, so there can be no other owner; use SyncRLock or "
                          "SyncRWLock");
  }
  impl_ = std::make_shared<Impl>(cache.state(), std::string(key.view()), std::move(options),
                                 Impl::kind_of(kind), limit);
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

void LockHandle::wait(const std::stop_token* stop, LockMode mode, std::uint64_t count) {
  const std::shared_ptr<Impl> mine = impl_->mine();
  const Impl::Failed failed =
      mine->acquire(locking::deadline_after(mine->options_.timeout), stop, locking::mode_of(mode), count);
  if (failed != Impl::Failed::no) mine->throw_failed(failed, mine->options_.timeout);
}

bool LockHandle::try_for(Duration limit, LockMode mode, std::uint64_t count) {
  try {
    const Deadline deadline = locking::deadline_after(std::max(limit, Duration()));
    return impl_->mine()->acquire(deadline, nullptr, locking::mode_of(mode), count) == Impl::Failed::no;
  } catch (const Timeout&) {
    return false;  // the store was busy for all of that time
  } catch (const Deadlock&) {
    return false;
  }
}

LockMode LockHandle::usual_mode() const noexcept {
  return impl_->kind_ == locking::Kind::semaphore ? LockMode::permits : LockMode::exclusive;
}

void LockHandle::lock() { wait(nullptr, usual_mode(), 1); }

// NOLINTNEXTLINE(performance-unnecessary-value-param): as std::condition_variable_any takes it
void LockHandle::lock(std::stop_token stop) { wait(&stop, usual_mode(), 1); }

bool LockHandle::try_lock() { return try_lock_for(Duration()); }
bool LockHandle::try_lock_for(Duration limit) { return try_for(limit, usual_mode(), 1); }

void LockHandle::unlock() { impl_->mine()->unlock(); }
void LockHandle::renew() { impl_->mine()->renew(); }
Release LockHandle::release() { return impl_->mine()->release(); }

bool LockHandle::owned() const { return impl_->mine()->owned(); }

bool LockHandle::lost() const noexcept {
  const std::shared_ptr<Impl> mine = impl_->mine();
  platform::MutexLock lock(mine->mutex_);
  return mine->known_lost();
}

std::uint64_t LockHandle::fence() const noexcept {
  const std::shared_ptr<Impl> mine = impl_->mine();
  platform::MutexLock lock(mine->mutex_);
  return mine->fence_;
}

bool LockHandle::previous_owner_died() const noexcept {
  const std::shared_ptr<Impl> mine = impl_->mine();
  platform::MutexLock lock(mine->mutex_);
  return mine->owner_died_;
}

/// The first grant in the lock's record that has not ended, which `f` is called with; whether there is one.
template <class F>
bool LockHandle::Impl::with_holder(F&& f) const {
  const std::optional<locking::LockRecord> record = look();
  if (!record) return false;
  Store& store = locking::store_for(*state_, key_);
  const locking::World world = locking::world_of(store);
  for (const locking::Hold& hold : record->holders) {
    if (locking::ended(hold, world)) continue;
    f(hold, store);
    return true;
  }
  return false;
}

bool LockHandle::locked() const {
  return impl_->with_holder([](const locking::Hold&, Store&) {});  // describing a holder reads its /proc
}

std::optional<Holder> LockHandle::holder() const {
  std::optional<Holder> found;
  impl_->with_holder(
      [&](const locking::Hold& hold, Store& store) { found = locking::describe(hold, store); });
  return found;
}

Guard LockHandle::guard() const { return impl_->mine()->guard(); }
std::string LockHandle::token() const { return impl_->mine()->token(); }
bool LockHandle::adopt(std::string_view token) { return impl_->mine()->adopt(token); }

const std::string& LockHandle::key() const noexcept { return impl_->key_; }
const LockOptions& LockHandle::options() const noexcept { return impl_->options_; }

SyncLock::SyncLock(Cache& cache, ByteView key, LockOptions options)
    : LockHandle(cache, key, std::move(options), Kind::plain) {}

SyncRLock::SyncRLock(Cache& cache, ByteView key, LockOptions options)
    : LockHandle(cache, key, std::move(options), Kind::reentrant) {}

SyncRWLock::SyncRWLock(Cache& cache, ByteView key, LockOptions options)
    : LockHandle(cache, key, std::move(options), Kind::shared) {}

bool SyncRWLock::try_upgrade_for(Duration limit) {
  const Deadline deadline = locking::deadline_after(std::max(limit, Duration()));
  return impl().mine()->upgrade(deadline) == Impl::Failed::no;
}

void SyncRWLock::upgrade() {
  const std::shared_ptr<Impl> mine = impl().mine();
  const Impl::Failed failed = mine->upgrade(locking::deadline_after(mine->options_.timeout));
  if (failed != Impl::Failed::no) mine->throw_failed(failed, mine->options_.timeout);
}

void SyncRWLock::downgrade() { impl().mine()->downgrade(); }

namespace {

/// A number of permits as the record has it. Throws InvalidArgument.
std::uint64_t permits_of(ByteView key, std::ptrdiff_t count, const char* what) {
  if (count < 1) {
    throw InvalidArgument(locking::name_of(key.view()) + ": " + what + " is " + std::to_string(count) +
                          ", and must be at least 1");
  }
  return static_cast<std::uint64_t>(count);
}

}  // namespace

Semaphore::Semaphore(Cache& cache, ByteView key, std::ptrdiff_t permits, LockOptions options)
    : LockHandle(cache, key, std::move(options), Kind::counted,
                 permits_of(key, permits, "the number of permits")) {}

std::uint64_t Semaphore::checked(std::ptrdiff_t count) const {
  const std::uint64_t wanted = permits_of(key(), count, "the number of permits to take or to give back");
  if (wanted > impl().limit_) {
    throw InvalidArgument(locking::name_of(key()) + " has " + std::to_string(impl().limit_) +
                          " permits, so that " + std::to_string(count) + " can never be had");
  }
  return wanted;
}

void Semaphore::acquire(std::ptrdiff_t count) { wait(nullptr, LockMode::permits, checked(count)); }

// NOLINTNEXTLINE(performance-unnecessary-value-param): as `lock` takes it
void Semaphore::acquire(std::stop_token stop, std::ptrdiff_t count) {
  wait(&stop, LockMode::permits, checked(count));
}

bool Semaphore::try_acquire_for(Duration limit, std::ptrdiff_t count) {
  return try_for(limit, LockMode::permits, checked(count));
}

Release Semaphore::release(std::ptrdiff_t count) { return impl().release(checked(count)); }

std::ptrdiff_t Semaphore::permits() const noexcept { return static_cast<std::ptrdiff_t>(impl().limit_); }

}  // namespace dcache
