// SPDX-License-Identifier: Apache-2.0
//
// The public lock classes: each call goes to what the handle keeps for the calling thread.
#include <algorithm>
#include <utility>

#include "cache/limits.hpp"
#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "dcache/rw_lock.hpp"
#include "locks/access.hpp"
#include "locks/handle_impl.hpp"
#include "locks/options.hpp"

namespace dcache {

LockHandle::LockHandle(Cache& cache, ByteView key, LockOptions options, Kind kind) {
  check_key(key.view());
  locking::check_options(key.view(), options);
  impl_ =
      std::make_unique<Impl>(cache.state(), std::string(key.view()), std::move(options), Impl::kind_of(kind));
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

void LockHandle::wait(const std::stop_token* stop, bool shared) {
  const std::shared_ptr<Impl> mine = impl_->mine();
  const auto mode = shared ? locking::Mode::shared : locking::Mode::exclusive;
  const Impl::Failed failed = mine->acquire(locking::deadline_after(mine->options_.timeout), stop, mode);
  if (failed != Impl::Failed::no) mine->throw_failed(failed, mine->options_.timeout);
}

bool LockHandle::try_for(Duration limit, bool shared) {
  const auto mode = shared ? locking::Mode::shared : locking::Mode::exclusive;
  try {
    const Deadline deadline = locking::deadline_after(std::max(limit, Duration()));
    return impl_->mine()->acquire(deadline, nullptr, mode) == Impl::Failed::no;
  } catch (const Timeout&) {
    return false;  // the store was busy for all of that time
  }
}

void LockHandle::lock() { wait(nullptr, false); }

// NOLINTNEXTLINE(performance-unnecessary-value-param): as std::condition_variable_any takes it
void LockHandle::lock(std::stop_token stop) { wait(&stop, false); }

bool LockHandle::try_lock() { return try_lock_for(Duration()); }
bool LockHandle::try_lock_for(Duration limit) { return try_for(limit, false); }

void LockHandle::unlock() { impl_->mine()->unlock(); }
void LockHandle::renew() { impl_->mine()->renew(); }
Release LockHandle::release() { return impl_->mine()->release(); }

bool LockHandle::locked() const { return holder().has_value(); }
bool LockHandle::owned() const { return impl_->mine()->owned(); }

bool LockHandle::lost() const noexcept {
  const std::shared_ptr<Impl> mine = impl_->mine();
  platform::MutexLock lock(mine->mutex_);
  return mine->lost_;
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

std::optional<Holder> LockHandle::holder() const {
  const std::optional<locking::LockRecord> record = impl_->look();
  if (!record) return std::nullopt;
  Store& store = locking::store_for(*impl_->state_, impl_->key_);
  const locking::World world = locking::world_of(store);
  for (const locking::Hold& hold : record->holders) {
    if (!locking::ended(hold, world)) return locking::describe(hold, store);
  }
  return std::nullopt;
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

}  // namespace dcache
