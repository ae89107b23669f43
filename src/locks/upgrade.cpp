// SPDX-License-Identifier: Apache-2.0
//
// From shared to exclusive and back, without letting go in between.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "dcache/error.hpp"
#include "locks/access.hpp"
#include "locks/handle_impl.hpp"
#include "locks/record_json.hpp"
#include "locks/thread_end.hpp"
#include "locks/waiting.hpp"
#include "locks/watches.hpp"
#include "platform/process.hpp"

namespace dcache {

namespace {

void throw_lost(const std::string& key) {
  throw LockLost(locking::name_of(key) + " was lost: its lease had ended, or somebody cleared it");
}

}  // namespace

LockHandle::Impl::Failed LockHandle::Impl::upgrade(Deadline deadline) {
  Store& store = locking::store_for(*state_, key_);
  state_->retry_kept();
  const locking::Agent self = me(store);
  const std::uint64_t fence = held_fence(store, self);
  if (fence == 0) throw_not_owner();
  const auto ask = [&](bool wait) {
    return locking::change_record(
        store, *state_, key_,
        [&](const std::optional<locking::LockRecord>& old, std::uint64_t number) {
          return locking::upgrade(old, self, fence, wait, number, locking::world_of(store));
        },
        std::max(deadline, locking::deadline_after(state_->options().timeout)));
  };

  locking::Pause pause(options_.backoff, deadline, nullptr);
  locking::Watches watches;
  for (int slept = 0;; ++slept) {
    const std::optional<std::uint32_t> seen = store.wake_word(self.agent);
    const bool last = deadline != kNoDeadline && std::chrono::steady_clock::now() >= deadline;
    locking::Changed changed;
    auto paused = pause_renewal();
    try {
      changed = ask(!last);
    } catch (const Error&) {
      // Nobody may be kept out for what has failed.
      locking::do_or_keep(*state_, locking::duty(key_, [self, fence](const auto& old, const auto& world) {
        return locking::stop_upgrading(old, self, fence, world);
      }));
      throw;
    }
    const locking::Hold* const own = locking::find_hold(changed.result.record, self);
    switch (changed.result.outcome) {
      case locking::Outcome::granted:
        exchanged(*own, std::move(changed.bytes), changed.result.owner_died);
        return Failed::no;
      case locking::Outcome::again:
        return Failed::no;
      case locking::Outcome::deadlock:
        return Failed::deadlock;
      case locking::Outcome::lost:
        throw_lost(key_);
        break;
      default:
        if (last) return Failed::timeout;
    }
    paused.resume();
    const locking::LockRecord& record = *changed.result.record;
    const locking::World world = locking::world_of(store);
    std::vector<std::string> holders;
    for (const locking::Hold& hold : record.holders) {
      if (!hold.keep && !locking::ended(hold, world)) holders.push_back(hold.who.session);
    }
    watches.set(store, self, holders);
    if (seen) {
      Deadline until = std::min(deadline, locking::end_of_slice(slept, 0));
      if (const auto end = locking::first_lease_end(record, world)) {
        until = std::min(until, locking::deadline_at(*end));
      }
      store.sleep(self.agent, *seen, until);
    } else {
      static_cast<void>(pause.wait());
    }
  }
}

void LockHandle::Impl::downgrade() {
  Store& store = locking::store_for(*state_, key_);
  const locking::Agent self = me(store);
  const std::uint64_t fence = held_fence(store, self);
  if (fence == 0) throw_not_owner();
  locking::Changed changed = locking::change_record(
      store, *state_, key_,
      [&](const std::optional<locking::LockRecord>& old, std::uint64_t) {
        return locking::downgrade(old, self, fence, locking::world_of(store));
      },
      locking::deadline_after(state_->options().timeout));
  if (changed.result.outcome == locking::Outcome::lost) throw_lost(key_);
  if (changed.result.outcome != locking::Outcome::granted) return;
  exchanged(*locking::find_hold(changed.result.record, self), std::move(changed.bytes), false);
}

/// Notes a grant of another strength, as deep as before.
void LockHandle::Impl::exchanged(const locking::Hold& hold, std::string bytes, bool owner_died) {
  platform::MutexLock lock(mutex_);
  if (levels_ == 0) return;  // this thread has it by another handle
  if (fence_ != hold.fence) {
    begin_renewal(hold);
    if (platform::is_thread(by_)) locking::note_grant(state_, key_, who_, hold.fence, renewal_);
  }
  fence_ = hold.fence;
  count_ = hold.count;
  bytes_ = std::move(bytes);
  owner_died_ = owner_died_ || owner_died;
}

}  // namespace dcache
