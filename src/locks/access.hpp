// SPDX-License-Identifier: Apache-2.0
//
// Between the pure machine and the store: how a lock's record is read and changed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "locks/deadlock.hpp"
#include "locks/record.hpp"
#include "store/deadline.hpp"

namespace dcache::locking {

enum class Inside { refused, allowed };
/// The store, for a lock operation on `key`. Throws Forked, and Misuse inside a transaction of this thread.
Store& store_for(const detail::CacheState& state, std::string_view key, Inside inside = Inside::refused);

/// "pid-tid" of the calling thread, for people.
std::string owner_name();

/// "lock 'KEY'", for messages.
std::string name_of(std::string_view key);

/// "a lock", "a semaphore of 3 permits", for messages.
std::string described(Kind kind, std::uint64_t limit);

/// A time in microseconds since boot; at once if it has passed.
Deadline deadline_at(std::int64_t boottime_us);

/// Clocks and the liveness of sessions, as of now.
World world_of(Store& store);

/// The record in `bytes`; throws Corrupt, naming key and directory, if it is damaged.
std::optional<LockRecord> read_record(const std::string* bytes, std::string_view key,
                                      const detail::CacheState& state);
/// The stored record.
std::optional<LockRecord> read_record(Store& store, std::string_view key, const detail::CacheState& state);

/// Calls `f` with every stored record, in order of key, read in pages.
void for_each_record(Store& store, FunctionRef<void(const Record&)> f);
/// All records that can be read.
std::vector<NamedRecord> read_records(Store& store);

/// A result of the machine, and what was stored.
struct Changed {
  Result result;
  /// The record, if one grant is all that there is in it: while it is the same, a release need only erase it.
  std::string bytes;
};

/// Runs an event of the machine on the stored record, in one transaction, then wakes whom it concerns.
/// `event(record, number)` is pure.
Changed change_record(Store& store, const detail::CacheState& state, std::string_view key,
                      FunctionRef<Result(const std::optional<LockRecord>&, std::uint64_t number)> event,
                      Deadline deadline);

/// Begins the lease of a grant anew: `lease` from now, by the clock that it runs by.
Changed renew_grant(Store& store, const detail::CacheState& state, std::string_view key, const Agent& who,
                    std::uint64_t fence, Duration lease, Deadline deadline);

/// How the store is told of a result, which is to outlive that.
RecordChange change_of(const Result& result);

/// An event that must come to be, sooner or later. A try returns whether it has, or never can (a damaged
/// record, a cache that is gone).
using Duty = std::function<bool(detail::CacheState&)>;
Duty duty(std::string key, std::function<Result(const std::optional<LockRecord>&, const World&)> event);
/// Tries it once, and leaves it to the cache if that fails.
void do_or_keep(detail::CacheState& state, const Duty& duty) noexcept;

Mode mode_of(LockMode mode) noexcept;

/// What people are shown of a grant, and of a place in the queue.
Holder describe(const Hold& hold, Store& store);
/// `now` in microseconds since boot: the same for all that are told of at once.
Waiter describe(const Wait& wait, std::int64_t now, Store& store);

/// Microseconds since boot, the clock of leases.
std::int64_t boottime_us() noexcept;
/// Microseconds of the wall clock.
std::int64_t wall_us() noexcept;
/// The clock that leases run by: a kept grant's goes on after a reboot.
inline std::int64_t lease_clock_us(bool keep) noexcept { return keep ? wall_us() : boottime_us(); }
/// `from` + `duration`, or the end of time.
std::int64_t microseconds_after(std::int64_t from, Duration duration) noexcept;

using store::deadline_after;

}  // namespace dcache::locking
