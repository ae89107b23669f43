// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

#include "dcache/lock.hpp"
#include "locks/attempt.hpp"
#include "locks/sleep.hpp"

namespace dcache::locking {

/// What a handle lets others do who act for a caller that is no thread: a coroutine or a callback.
class Acquiring {
 public:
  /// Throws Misuse for a lock that belongs to threads.
  explicit Acquiring(LockHandle& handle);

  /// Begins to wait, led by `advance`; what it began before it gives up. The sleeper and the token are used
  /// while it waits.
  void begin(Deadline deadline, const std::stop_token* stop, const Sleeper* sleeper);
  void leave() noexcept { attempt_.reset(); }
  [[nodiscard]] bool begun() const noexcept { return attempt_ != nullptr; }

  enum class Step { held, sleep, failed };
  /// As Attempt has it. Throws Cancelled if it was granted to a handle that has gone.
  Step advance(std::chrono::milliseconds patience);
  [[nodiscard]] Sleep sleep() const { return attempt_->sleep(); }

  /// Timeout or Deadlock, as it has failed.
  [[noreturn]] void throw_failed(Duration waited) const;

  /// What is held is given back, now or later.
  void give_back() noexcept;
  /// The same for a grant that nobody was told of: what is to be known of it goes with the next one.
  void give_back_unseen() noexcept;
  /// One try of `unlock`; Timeout changes nothing.
  void unlock(Deadline deadline);
  /// As `unlock`, without failing.
  void unlock();

  [[nodiscard]] static const std::shared_ptr<detail::CacheState>& state_of(const LockHandle& handle) {
    return handle.impl_->state_;
  }
  [[nodiscard]] std::uint64_t agent() const noexcept { return agent_; }
  [[nodiscard]] std::stop_token end_of_handle() const { return impl_->end(); }
  [[nodiscard]] const std::string& key() const noexcept { return impl_->key_; }
  [[nodiscard]] Duration timeout() const noexcept { return impl_->options_.timeout; }
  [[nodiscard]] const std::shared_ptr<detail::CacheState>& state() const noexcept { return impl_->state_; }

 private:
  const std::shared_ptr<LockHandle::Impl> impl_;
  const std::uint64_t agent_;
  LockHandle::Impl::Failed failed_ = LockHandle::Impl::Failed::no;
  std::unique_ptr<LockHandle::Impl::Attempt> attempt_;
};

}  // namespace dcache::locking
