// SPDX-License-Identifier: Apache-2.0
//
// How a handle's lease is renewed, when asked to and by itself.
#include <exception>
#include <utility>

#include "dcache/error.hpp"
#include "locks/access.hpp"
#include "locks/handle_impl.hpp"

namespace dcache {

void LockHandle::Impl::renew() {
  Store& store = locking::store_for(*state_, key_);
  const locking::Agent self = me(store);
  const std::uint64_t fence = held_fence(store, self);
  if (fence == 0) throw_not_owner();
  const auto throw_without_lease = [&] {
    throw InvalidArgument(locking::name_of(key_) +
                          " was taken without a lease, so there is none to renew: set LockOptions::lease");
  };
  if (!options_.lease && !options_.max_hold) throw_without_lease();
  auto [result, bytes] =
      locking::renew_grant(store, *state_, key_, self, fence, options_.lease.value_or(forever),
                           locking::deadline_after(state_->options().timeout));
  if (result.outcome == locking::Outcome::refused) throw_without_lease();
  const bool renewed = result.outcome == locking::Outcome::renewed;
  bool news = false;
  {
    platform::MutexLock lock(mutex_);
    if (fence_ == fence && levels_ > 0) {
      if (const locking::Hold* const hold = locking::find_hold(result.record, self);
          renewed && hold != nullptr) {
        // As bytes and count go together: the thread may have gone deeper by another handle.
        bytes_ = std::move(bytes);
        count_ = hold->count;
      }
      news = !renewed && !known_lost();
      lost_ = !renewed;
    }
  }
  if (renewed) return;
  if (news) tell_lost(fence);
  throw LockLost(locking::name_of(key_) +
                 " was lost, so its lease cannot be renewed: the lease or the longest "
                 "hold had ended, or somebody cleared the lock");
}

void LockHandle::Impl::begin_renewal(const locking::Hold& hold) noexcept {
  end_renewal();
  if (!options_.renew || !hold.lease) return;
  try {
    renewal_ = locking::Renewal::start({.state = state_,
                                        .key = key_,
                                        .who = hold.who,
                                        .fence = hold.fence,
                                        .lease = options_.lease.value_or(forever),
                                        .on_lost = options_.on_lost});
  } catch (const std::exception& failed) {
    state_->report(IoError(locking::name_of(key_) +
                           ": its lease will not be renewed, as there can be no thread: " + failed.what()));
  }
}

void LockHandle::Impl::end_renewal() noexcept {
  if (renewal_ != nullptr) renewal_->end();
  renewal_.reset();
}

/// While this is held the grant is not renewed, and nobody is told of its loss. Before `mutex_`.
locking::PausedRenewal LockHandle::Impl::pause_renewal() const {
  std::shared_ptr<locking::Renewal> renewal;
  {
    platform::MutexLock lock(mutex_);
    renewal = renewal_;
  }
  return locking::PausedRenewal(std::move(renewal));
}

}  // namespace dcache
