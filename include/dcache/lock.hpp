// SPDX-License-Identifier: Apache-2.0
//
// Locks that processes share through a cache directory.
//
//   dcache::SyncLock lock{cache, "report"};
//   { std::scoped_lock hold{lock}; build_report(); }
//
// A lock is a name (`key`) in a cache. Who holds it is written in the cache; that the holder still runs is
// known from the kernel: a killed holder loses its locks within milliseconds, a stopped one (SIGSTOP,
// debugger, suspend) never does, unless it asked for a lease. Every grant carries a fencing number that never
// repeats in a cache and only grows: hand it to whatever the lock protects, so that a late writer is refused.
//
// SyncLock belongs to the handle: any thread may unlock through the same handle; another handle, even on the
// same thread, is somebody else. SyncRLock belongs to the thread: the holding thread may lock again, through
// any handle of the same key, and the lock is free when it has unlocked as often. A LockOwner may take the
// thread's part, as coroutines need it: see async.hpp for waiting without a thread.
//
// SyncRWLock (rw_lock.hpp) has shared grants besides. All kinds exclude each other on one key.
//
// Both meet Lockable and TimedLockable, so std::scoped_lock, std::unique_lock and std::lock work. Two handles
// of one key in std::lock never come to an end. A handle may be used by several threads, as a mutex may.
// Values and locks live in different spaces: a lock is never seen, cleared, evicted or expired with values.
//
// A call may throw Timeout, Full, ReadOnly, Corrupt (a damaged record: nobody gets it until it is cleared),
// IoError, Forked (the handle came from the parent process) and Misuse (inside `Cache::transact`).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>  // the guards that a lock is used with
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dcache/cache.hpp"
#include "dcache/liveness.hpp"

namespace dcache {

namespace locking {
class Acquiring;
}

/// How to wait between tries: first `base`, doubled at every try up to `cap`; of each wait one half is
/// certain and the other random ("equal jitter").
struct Backoff {
  Duration base = std::chrono::microseconds(100);
  Duration cap = std::chrono::milliseconds(5);
};

/// What a grant lets others have at the same time.
enum class LockMode {
  exclusive,  ///< nothing
  shared,     ///< shared grants
  permits,    ///< permits, as long as there are any left
};

/// "exclusive", "shared" or "permits".
[[nodiscard]] DCACHE_EXPORT std::string_view name(LockMode mode) noexcept;

/// Who holds a lock.
struct Holder {
  std::string owner;  ///< "pid-tid", or "pid-tid/agent" of what is no thread, for people
  std::int64_t pid = 0;
  std::int64_t tid = 0;
  std::string command = {};  ///< name of the process's program; empty where it cannot be told
  std::string session;       ///< names the process's use of this cache directory, unique for ever
  std::uint64_t agent = 0;   ///< the thread or handle within the session
  LockMode mode = LockMode::exclusive;
  std::uint64_t count = 0;             ///< levels of re-entry (1 for a SyncLock), or permits
  std::uint64_t fence = 0;             ///< number of this grant
  Timestamp since;                     ///< wall-clock time of the grant
  std::optional<Duration> lease_left;  ///< none: no lease; <= 0: over
  bool keep = false;                   ///< held until the lease ends, whether or not the process lives
  std::string label;
  std::vector<std::string> tags;
  Liveness state = Liveness::unknown;
};

/// Who waits for a lock.
struct Waiter {
  std::string owner;  ///< "pid-tid", for people
  std::int64_t pid = 0;
  std::int64_t tid = 0;
  std::string command = {};
  std::string session;
  std::uint64_t agent = 0;
  LockMode mode = LockMode::exclusive;
  Duration waited;    ///< since it got its place in the queue
  bool fair = false;  ///< nobody overtakes it
  bool late = false;  ///< it had its turn and did not come: stopped, or very busy
  Liveness state = Liveness::unknown;
};

/// Who has re-entrant locks instead of a thread: one for each coroutine, or for another task that goes on in
/// this thread today and in that one tomorrow. Copies are the same owner.
class DCACHE_EXPORT LockOwner {
 public:
  /// A new one, unlike any other.
  LockOwner();

  /// What `Holder::agent` says of its grants.
  [[nodiscard]] std::uint64_t agent() const noexcept { return agent_; }
  /// "pid-tid/agent", with the thread that made it: what `Holder::owner` says of its grants.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  friend bool operator==(const LockOwner& a, const LockOwner& b) noexcept { return a.agent_ == b.agent_; }

 private:
  std::uint64_t agent_;
  std::string name_;
};

struct LockOptions {
  /// Longest wait of `lock()`, then Timeout. One try always happens, also with 0. `forever` waits for ever.
  Duration timeout = std::chrono::seconds(10);
  /// The grant ends by itself after this time, whether or not the holder is done: see `renew`. None: it ends
  /// with the holder. Counted in time since boot, suspended time included.
  std::optional<Duration> lease = {};
  /// First come, first served: it neither overtakes who waits nor is overtaken. By default a lock that
  /// becomes free may go to whoever asks first, until somebody has waited for 2 ms, so that it need not
  /// always wait for a sleeper to wake up. A waiter that is not there within 5 ms of its turn is passed over.
  bool fair = false;
  Tags tags = {};          ///< shown by `locks`, which can select by them
  std::string label = {};  ///< what people see beside the owner; at most 256 bytes
  /// SyncRLock, SyncRWLock: the lock belongs to this owner, whichever thread calls, and not to the thread.
  /// Handles of one key with the same owner are one holder; with two owners they keep each other out, also on
  /// one thread.
  std::optional<LockOwner> owner = {};
  /// Renews the lease by itself, at every third of it, from a thread that all of the process share and that
  /// runs only while there is such a grant. What cannot be renewed is told to `on_lost` while there is still
  /// a tenth of the lease to stop in. The lease of a thread that has ended is not renewed (SyncRLock,
  /// SyncRWLock). Use it where a holder that hangs, or whose process is stopped, must lose the lock.
  bool renew = false;
  /// The grant outlives `unlock`, the handle and the process, until its lease (needed) ends by the wall
  /// clock: at most once in a while, whoever comes. `release` instead of `unlock` ends it at once, as
  /// `clear_lock` does.
  bool keep = false;
  /// Longest time that one grant may be held, renewals included: then it ends as a lease does.
  std::optional<Duration> max_hold = {};
  /// Tries in one `lock()` call before Timeout: at first, and each time that it wakes up: when its turn may
  /// have come, and at least four times a second while it is among the first who wait. 0 = as many as the
  /// time allows.
  std::uint64_t max_tries = 0;
  /// Where nothing can wake a waiter (`Stats::board`).
  Backoff backoff = {};
  /// Called on the waiting thread when `lock` has to wait, and again after each second of it. What it throws
  /// ends the wait.
  std::function<void(const Holder& holder, Duration waited)> on_wait = {};
  /// Told that a grant of this handle was lost, by whichever call finds it out, or by the thread of `renew`.
  /// It must not throw.
  std::function<void(const std::string& key, std::uint64_t fence)> on_lost = {};
};

/// What became of a release.
enum class Release {
  released,   ///< it was held here and is not any more (of a SyncRLock: one level less)
  not_owner,  ///< it was never held here
  lost,       ///< it had been held here, but the lease ended or somebody cleared it
};

/// A lock as `locks` shows it.
struct LockInfo {
  std::string key;
  std::string kind;  ///< "lock", "rlock", "rwlock" or "semaphore"; "damaged" for a record that cannot be read
  std::vector<Holder> holders;
  std::vector<Waiter> waiters = {};  ///< in the order in which they are served
};

/// What SyncLock and SyncRLock share. Not for use by itself.
class DCACHE_EXPORT LockHandle {
  friend class locking::Acquiring;

 public:
  LockHandle(LockHandle&&) noexcept;
  LockHandle& operator=(LockHandle&&) noexcept;
  LockHandle(const LockHandle&) = delete;
  LockHandle& operator=(const LockHandle&) = delete;
  /// Releases what the handle still holds, and cancels what waits for it (async.hpp).
  ~LockHandle();

  /// Waits until the lock is held, at most `LockOptions::timeout`.
  /// Throws Timeout (naming holder and age), and Deadlock at once if this same handle holds it without a
  /// lease (SyncLock only), or after 100 ms if threads, in any processes, wait for each other in a circle: in
  /// the one that waited last, naming them and their keys. A grant counts there for the thread that took it.
  void lock();

  /// As `lock()`, and throws Cancelled within 50 ms when `stop` is requested.
  void lock(std::stop_token stop);

  /// Takes the lock if it is free, and says whether it did. It waits for nobody but a store that is in the
  /// middle of a write.
  [[nodiscard]] bool try_lock();

  /// As `lock()` with another limit, and false instead of Timeout or Deadlock. A time of 0 or less is one
  /// try.
  [[nodiscard]] bool try_lock_for(Duration limit);

  template <class Clock, class D>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, D> deadline) {
    return try_lock_for(until(deadline));
  }

  /// Releases. What `release` would call lost is not an error here, since guards call this: ask `lost()`. A
  /// release that cannot be committed now is told to `Options::on_error` and kept: a thread tries it again
  /// until it is done. Inside `Cache::transact` that is when the transaction is over. Throws NotOwner only if
  /// the lock was never held here.
  void unlock();

  /// Releases and says what became of it. Throws only if it could not be committed; the lock is then still
  /// held here.
  Release release();

  /// Begins the lease anew: it ends after `LockOptions::lease` from now, but not after `max_hold`. A lease
  /// that is over is renewed as long as nobody else got the lock. Throws LockLost if the grant is gone,
  /// NotOwner if there was none, InvalidArgument without a lease.
  void renew();

  /// Whether anybody holds the lock who can still run, now. A hint: it may change before it returns.
  [[nodiscard]] bool locked() const;

  /// Whether it is held here: by this handle (SyncLock) or this thread (SyncRLock). Looked up, not
  /// remembered.
  [[nodiscard]] bool owned() const;

  /// Whether the last grant of this handle was lost: found out by `release`, `unlock`, `renew` or `owned`.
  [[nodiscard]] bool lost() const noexcept;

  /// Number of this handle's newest grant; 0 before the first.
  [[nodiscard]] std::uint64_t fence() const noexcept;

  /// Whether the newest grant was taken over from a holder that died or whose lease ended, so that what the
  /// lock protects may have been left half done.
  [[nodiscard]] bool previous_owner_died() const noexcept;

  /// The condition that the grant which this handle (SyncLock) or thread (SyncRLock) has now is still held:
  /// for `SetOptions::guard` and its like, which take the lock itself.
  [[nodiscard]] Guard guard() const;

  /// Who holds the lock now, if anybody; of several, the one that got it first.
  [[nodiscard]] std::optional<Holder> holder() const;

  /// Names the newest grant of this handle, for `adopt`; empty before the first. It is no secret: whoever can
  /// read the directory can find it out.
  [[nodiscard]] std::string token() const;

  /// Takes up the grant of another handle, in this process or any other: from then on renew, release, owned,
  /// guard and fence are about that. Its own holder finds it lost once it is released here. The end of this
  /// handle does not give it back, and `lock` and its like leave it and ask for a new one. Returns false if
  /// there is no such grant any more. Throws Misuse if this handle holds one of its own.
  [[nodiscard]] bool adopt(std::string_view token);

  [[nodiscard]] const std::string& key() const noexcept;
  [[nodiscard]] const LockOptions& options() const noexcept;

 protected:
  class Impl;
  enum class Kind { plain, reentrant, shared, counted };
  LockHandle(Cache& cache, ByteView key, LockOptions options, Kind kind, std::uint64_t limit = 1);
  void wait(const std::stop_token* stop, LockMode mode, std::uint64_t count);
  [[nodiscard]] bool try_for(Duration limit, LockMode mode, std::uint64_t count);
  [[nodiscard]] Impl& impl() const noexcept { return *impl_; }

  /// How long from now, on any clock.
  template <class Clock, class D>
  static Duration until(std::chrono::time_point<Clock, D> deadline) {
    const Duration end = deadline.time_since_epoch();
    if (end.is_forever()) return forever;
    const Duration now = Clock::now().time_since_epoch();
    return end <= now ? Duration() : Duration(end.nanoseconds() - now.nanoseconds());
  }

 private:
  [[nodiscard]] LockMode usual_mode() const noexcept;

  std::shared_ptr<Impl> impl_;  // shared with waits that have no thread
};

/// A mutual-exclusion lock that belongs to its handle. The model is typed_diskcache's SyncLock, which spins
/// on `add`; here release is checked, owners that died are found, and every grant has a fence.
class DCACHE_EXPORT SyncLock : public LockHandle {
 public:
  SyncLock(Cache& cache, ByteView key, LockOptions options = {});
};

/// A re-entrant lock that belongs to a thread: owner "pid-tid" and a count, changed in one transaction. If
/// the thread ends while it holds it, the next one takes it over and is told (`previous_owner_died`).
class DCACHE_EXPORT SyncRLock : public LockHandle {
 public:
  SyncRLock(Cache& cache, ByteView key, LockOptions options = {});
};

/// The descriptor that proves to others that this process runs. A process that gets a copy of it, by exec or
/// from posix_spawn, keeps all locks that this one holds in the directory held, even when this one has been
/// killed, until it ends as well or closes its copy (as flock(1) and its command). A child of plain fork has
/// none. Never close it, lock it or map its file. Throws Unsupported where there is none: "memory:".
[[nodiscard]] DCACHE_EXPORT int proof_of_life(const Cache& cache);

/// Which locks `locks` shows; all conditions must hold.
struct LockFilter {
  std::string prefix = {};  ///< keys that begin with these bytes
  Tags tags = {};           ///< locks whose holder has all of these tags
};

/// The locks that are held, or whose holder died and that nobody has taken since, or that somebody waits for,
/// in order of key. A damaged record is shown as such, without holders.
[[nodiscard]] DCACHE_EXPORT std::vector<LockInfo> locks(const Cache& cache, const LockFilter& filter = {});

struct ClearOptions {
  std::optional<std::uint64_t> fence = {};  ///< clear only the grant with this fence
  bool force = false;                       ///< with the fence: clear even though the holder is alive
};

/// What `clear_lock` did.
enum class Cleared {
  cleared,  ///< the grant is gone; a holder that was still alive finds its lock lost
  absent,   ///< there was nothing to clear
  refused,  ///< the holder is alive (or may be), or has another fence: nothing was changed
};

/// Ends the grant of a lock: if its holder is dead or its lease over, and otherwise only when given the
/// holder's fence and `force`. Who waits for the lock is woken. A damaged record is removed with `force`
/// alone. Fences never go back.
DCACHE_EXPORT Cleared clear_lock(Cache& cache, ByteView key, const ClearOptions& options = {});

}  // namespace dcache
