// SPDX-License-Identifier: Apache-2.0
#include "locks/acquiring.hpp"

#include "dcache/error.hpp"

namespace dcache::locking {

Acquiring::Acquiring(LockHandle& handle)
    : impl_(handle.impl_),
      agent_(impl_->options_.owner ? impl_->options_.owner->agent() : impl_->handle_agent_) {
  if (impl_->of_threads() && !impl_->options_.owner) {
    throw Misuse(name_of(impl_->key_) +
                 " belongs to a thread, and a coroutine may go on in another one: give it an owner "
                 "(LockOptions::owner), or use SyncLock");
  }
}

void Acquiring::begin(Deadline deadline, const std::stop_token* stop, const Sleeper* sleeper) {
  leave();
  Store& store = store_for(*impl_->state_, impl_->key_);
  impl_->leave_adopted();
  const bool permits = impl_->kind_ == Kind::semaphore;
  Wish wish = impl_->wish(store, permits ? Mode::permits : Mode::exclusive, 1);
  // Not the thread's: it may hold other things, and does not wait for this one.
  if (!impl_->options_.owner) wish.hold.owner += '/' + std::to_string(agent_);
  attempt_ =
      std::make_unique<LockHandle::Impl::Attempt>(*impl_, store, deadline, stop, std::move(wish), sleeper);
}

Acquiring::Step Acquiring::advance(std::chrono::milliseconds patience) {
  using Attempt = LockHandle::Impl::Attempt;
  const Attempt::Step step = attempt_->advance(patience);
  if (step == Attempt::Step::sleep) return Step::sleep;
  failed_ = Attempt::failed(step);
  leave();
  if (step != Attempt::Step::held) return Step::failed;
  if (impl_->gone()) {
    impl_->destroy();
    throw Cancelled(name_of(impl_->key_) + ": its handle was destroyed while it was waited for");
  }
  return Step::held;
}

void Acquiring::throw_failed(Duration waited) const { impl_->throw_failed(failed_, waited); }

void Acquiring::give_back_unseen() noexcept {
  {
    platform::MutexLock lock(impl_->mutex_);
    impl_->untold_death_ = impl_->owner_died_;
  }
  give_back();
}

void Acquiring::give_back() noexcept {
  try {
    static_cast<void>(impl_->give_back(1, agent_));
  } catch (const std::exception&) {
    // Somebody has done so already, or it is a forked child's.
  }
}

void Acquiring::unlock(Deadline deadline) {
  if (impl_->options_.keep) return unlock();
  if (impl_->state_->forked()) return;
  if (impl_->release(1, agent_, deadline) == Release::not_owner) impl_->throw_not_owner();
}

void Acquiring::unlock() { impl_->unlock(1, agent_); }

}  // namespace dcache::locking
