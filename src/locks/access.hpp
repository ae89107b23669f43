// SPDX-License-Identifier: Apache-2.0
//
// Between the pure machine and the store: how a lock's record is read and changed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "locks/record.hpp"
#include "store/deadline.hpp"

namespace dcache::locking {

enum class Inside { refused, allowed };
/// The store, for a lock operation on `key`. Throws Forked, and Misuse inside a transaction of this thread.
Store& store_for(const detail::CacheState& state, std::string_view key, Inside inside = Inside::refused);

/// The record in `bytes`; throws Corrupt, naming key and directory, if it is damaged.
std::optional<LockRecord> read_record(const std::string* bytes, std::string_view key,
                                      const detail::CacheState& state);

/// Runs an event of the machine on the stored record, in one transaction. `event(record, fence)` is pure.
Result change_record(Store& store, const detail::CacheState& state, std::string_view key,
                     FunctionRef<Result(const std::optional<LockRecord>&, std::uint64_t fence)> event,
                     Deadline deadline);

/// What people are shown of a grant.
Holder describe(const Hold& hold, Store& store);

/// Microseconds since boot, the clock of leases.
std::int64_t boottime_us() noexcept;

using store::deadline_after;

}  // namespace dcache::locking
