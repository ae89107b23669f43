// SPDX-License-Identifier: Apache-2.0
//
// What a lock handle keeps between its calls. Getting the lock is in acquire.cpp, renewing leases in
// handle_renewal.cpp, all else in handle_impl.cpp.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "locks/access.hpp"
#include "locks/record.hpp"
#include "locks/renewal.hpp"
#include "platform/mutex.hpp"

namespace dcache {

class LockHandle::Impl {
 public:
  Impl(std::shared_ptr<detail::CacheState> state, std::string key, LockOptions options, locking::Kind kind,
       std::uint64_t limit = 1);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  /// Whether the calling thread has taken a grant, by any handle, that is still held.
  static bool thread_holds_any();

  /// The part of the handle that speaks for the calling thread: of a read-write lock each has its own.
  std::shared_ptr<Impl> mine();

  /// Who calls: the thread, or whom the lock belongs to instead.
  [[nodiscard]] std::uint64_t caller() const noexcept;

  static locking::Kind kind_of(LockHandle::Kind kind) noexcept;

  enum class Failed { no, timeout, tries, deadlock };
  /// From now on a grant of one's own is wanted.
  void leave_adopted();
  Failed acquire(Deadline deadline, const std::stop_token* stop, locking::Mode mode, std::uint64_t count = 1);
  /// Makes the calling thread's shared grant exclusive.
  Failed upgrade(Deadline deadline);
  void downgrade();
  [[noreturn]] void throw_failed(Failed why, Duration waited) const;
  [[noreturn]] void throw_not_owner() const;

  Release release(std::uint64_t count, std::uint64_t by, Deadline deadline);
  Release release(std::uint64_t count = 1);
  void unlock(std::uint64_t count = 1);
  void unlock(std::uint64_t count, std::uint64_t by);
  /// Releases, sooner or later; what a grant that was never used comes to.
  Release give_back(std::uint64_t count, std::uint64_t by);
  void renew();
  void destroy() noexcept;
  /// Told when `destroy` is called. What waits for this handle without a thread then has nobody to wait for.
  std::stop_token end();
  /// Whether `destroy` was called: nobody is there any more to release anything.
  [[nodiscard]] bool gone() const {
    platform::MutexLock lock(mutex_);
    return gone_;
  }
  bool owned();
  Guard guard();
  std::string token();
  bool adopt(std::string_view token);
  std::optional<locking::LockRecord> look() const;
  template <class F>
  bool with_holder(F&& f) const;

  /// Who asks, from this thread.
  [[nodiscard]] locking::Agent me(Store& store) const;
  [[nodiscard]] bool known_lost() const DCACHE_REQUIRES(mutex_) {
    return lost_ || (renewal_ != nullptr && renewal_->lost());
  }
  /// A request outside of the queue, without its times.
  [[nodiscard]] locking::Wish wish(Store& store, locking::Mode mode, std::uint64_t count) const;
  /// Puts in when a grant begins and ends. To be called inside the transaction, which may have had to wait:
  /// a lease must not be over before anybody knows of it.
  void begin_now(locking::Hold& hold) const;
  /// Whether a grant belongs to a thread, through whichever handle it got it.
  [[nodiscard]] bool of_threads() const noexcept {
    return kind_ == locking::Kind::rlock || kind_ == locking::Kind::rwlock;
  }
  /// Notes what was granted to `by`: `count` levels or permits more. `bytes` is the record if it is nothing
  /// but this grant.
  void granted(const locking::Hold& hold, std::uint64_t count, std::uint64_t by, std::string bytes,
               bool owner_died);
  /// Whether who asks would wait for itself: it holds that grant of its own for as long as it likes.
  bool waits_for_itself(const locking::Hold& own, std::uint64_t by) const;

  const std::shared_ptr<detail::CacheState> state_;
  const std::string key_;
  const LockOptions options_;
  const locking::Kind kind_;
  const std::uint64_t limit_;
  const std::uint64_t handle_agent_;

  /// One release at a time, and no look at the record in the middle of one. Held across calls of the store,
  /// so never taken inside a transaction, where other questions to a lock are allowed. Before `mutex_`.
  platform::Mutex release_mutex_;
  mutable platform::Mutex mutex_;
  /// How often this handle holds the newest grant, or how many permits.
  std::uint64_t levels_ DCACHE_GUARDED_BY(mutex_) = 0;
  locking::Agent who_ DCACHE_GUARDED_BY(mutex_);    ///< to whom it was granted
  std::uint64_t by_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< the thread, handle or owner that took it
  std::uint64_t fence_ DCACHE_GUARDED_BY(mutex_) = 0;
  std::int64_t since_ DCACHE_GUARDED_BY(mutex_) = 0;   ///< wall-clock microseconds
  std::uint64_t count_ DCACHE_GUARDED_BY(mutex_) = 0;  ///< what the record says of it, as last seen
  std::string bytes_ DCACHE_GUARDED_BY(mutex_);        ///< the record, if it is nothing but this grant
  /// Threads whose grant by this handle ended before they released it, and another thread got the next one:
  /// with its fence. What such a thread releases is that one, not its successor's.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> overrun_ DCACHE_GUARDED_BY(mutex_);
  std::shared_ptr<std::atomic<std::size_t>> taken_ DCACHE_GUARDED_BY(mutex_);  ///< if a thread took it
  /// Of a grant that another handle got: who has it.
  std::optional<locking::Agent> adopted_ DCACHE_GUARDED_BY(mutex_);
  bool lost_ DCACHE_GUARDED_BY(mutex_) = false;
  std::shared_ptr<locking::Renewal> renewal_ DCACHE_GUARDED_BY(mutex_);  ///< of the newest grant
  bool owner_died_ DCACHE_GUARDED_BY(mutex_) = false;
  bool untold_death_ DCACHE_GUARDED_BY(mutex_) = false;  ///< of a grant that was given back unseen
  bool gone_ DCACHE_GUARDED_BY(mutex_) = false;
  std::optional<std::stop_source> end_ DCACHE_GUARDED_BY(mutex_);

  platform::Mutex threads_mutex_;
  std::map<std::uint64_t, std::shared_ptr<Impl>> threads_ DCACHE_GUARDED_BY(threads_mutex_);

  class Attempt;

 private:
  void hold_levels(std::uint64_t levels) DCACHE_REQUIRES(mutex_);
  void begin_renewal(const locking::Hold& hold) noexcept DCACHE_REQUIRES(mutex_);
  void end_renewal() noexcept DCACHE_REQUIRES(mutex_);
  [[nodiscard]] locking::PausedRenewal pause_renewal() const;
  void exchanged(const locking::Hold& hold, std::string bytes, bool owner_died);
  bool leave_kept(std::uint64_t by);
  [[nodiscard]] std::uint64_t held_fence(Store& store, const locking::Agent& self) const;
  [[nodiscard]] locking::Duty giving_back(bool keep, std::uint64_t count) const DCACHE_REQUIRES(mutex_);
  void forget(bool lost) DCACHE_REQUIRES(mutex_);
  void tell_lost(std::uint64_t fence) const;
  /// The fence of somebody's overrun grant, which it gives up; 0 if it has none.
  std::uint64_t take_overrun(std::uint64_t by);
};

}  // namespace dcache
