// SPDX-License-Identifier: Apache-2.0
//
// What a lock handle keeps between its calls. Getting the lock is in acquire.cpp, all else in handle.cpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "locks/access.hpp"
#include "locks/record.hpp"
#include "platform/mutex.hpp"

namespace dcache {

class LockHandle::Impl {
 public:
  Impl(std::shared_ptr<detail::CacheState> state, std::string key, LockOptions options, locking::Kind kind);

  enum class Failed { no, timeout, tries, deadlock };
  Failed acquire(Deadline deadline, const std::stop_token* stop);
  [[noreturn]] void throw_failed(Failed why, Duration waited) const;

  Release release();
  void unlock();
  void renew();
  void destroy() noexcept;
  bool owned();
  Guard guard();
  std::optional<locking::LockRecord> look() const;

  /// Who asks, from this thread.
  [[nodiscard]] locking::Agent me(Store& store) const;
  /// A request outside of the queue, without its times.
  [[nodiscard]] locking::Wish wish(Store& store) const;
  /// Puts in when a grant begins and ends. To be called inside the transaction, which may have had to wait:
  /// a lease must not be over before anybody knows of it.
  void begin_now(locking::Hold& hold) const;
  /// Notes what was granted; `bytes` is the record if it is nothing but this grant.
  void granted(const locking::Hold& hold, std::string bytes, bool owner_died);
  /// Whether this thread holds by this handle the grant with that fence, for as long as it likes.
  bool held_by_this_thread(std::uint64_t fence) const;

  const std::shared_ptr<detail::CacheState> state_;
  const std::string key_;
  const LockOptions options_;
  const locking::Kind kind_;
  const std::uint64_t handle_agent_;

  /// One release at a time, and no look at the record in the middle of one. Held across calls of the store,
  /// so never taken inside a transaction, where other questions to a lock are allowed. Before `mutex_`.
  platform::Mutex release_mutex_;
  mutable platform::Mutex mutex_;
  std::uint64_t levels_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< how often this handle holds the newest grant
  locking::Agent who_ DCACHE_GUARDED_BY(mutex_);        ///< to whom it was granted
  std::uint64_t thread_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< the thread that took it
  std::uint64_t fence_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::uint64_t count_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< what the record says of it, as last seen
  std::string bytes_ DCACHE_GUARDED_BY(mutex_);        ///< the record, if it is nothing but this grant
  /// Threads whose grant by this handle ended before they released it, and another thread got the next one:
  /// with its fence. What such a thread releases is that one, not its successor's.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> overrun_ DCACHE_GUARDED_BY(mutex_);
  bool leased_ DCACHE_GUARDED_BY(mutex_) = false;
  bool lost_ DCACHE_GUARDED_BY(mutex_) = false;
  bool owner_died_ DCACHE_GUARDED_BY(mutex_) = false;

 private:
  class Attempt;
  bool leave_kept();
  [[nodiscard]] std::uint64_t held_fence(Store& store, const locking::Agent& self) const;
  [[nodiscard]] std::function<bool(detail::CacheState&)> later(bool keep) const DCACHE_REQUIRES(mutex_);
  void forget(bool lost) DCACHE_REQUIRES(mutex_);
  void tell_lost(std::uint64_t fence) const;
  /// The fence of the calling thread's overrun grant, which it gives up; 0 if it has none.
  std::uint64_t take_overrun();
  [[noreturn]] void throw_not_owner() const;
};

}  // namespace dcache
