// SPDX-License-Identifier: Apache-2.0
//
// Locks in words and records, as all verbs on locks show them.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "dcache/lock.hpp"
#include "record.hpp"

namespace dcache::cli {

/// Who waits this long on a terminal is told for whom.
inline constexpr auto kPatience = std::chrono::seconds(1);

/// "live", "leased", "kept", "expired", "dead" or "unknown": see `lock ls --help`.
[[nodiscard]] std::string state_of(const Holder& holder);

/// Whether the next one gets what it holds: its lease is over, or it is dead.
[[nodiscard]] bool is_over(const Holder& holder);

/// Whether somebody holds the lock who may still run.
[[nodiscard]] bool is_held(const LockInfo& lock);

/// How many wait for the lock and still run.
[[nodiscard]] std::uint64_t waiting(const LockInfo& lock);

/// One holder of the lock: a lock that several hold has several.
[[nodiscard]] Record record_of(const LockInfo& lock, const Holder& holder);

/// One who waits for the lock, in the fields of a holder and some of its own.
[[nodiscard]] Record record_of(const LockInfo& lock, const Waiter& waiter);

/// The lock as it stands; nothing if nobody holds it or waits for it.
[[nodiscard]] std::optional<LockInfo> find_lock(const Cache& cache, const std::string& key);

/// "lock 'report'", safe on a terminal.
[[nodiscard]] std::string lock_name(const std::string& key);

/// "held by 12-12 (nightly) for 5s", likewise.
[[nodiscard]] std::string describe(const std::optional<Holder>& holder);

}  // namespace dcache::cli
