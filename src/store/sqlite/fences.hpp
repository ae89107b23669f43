// SPDX-License-Identifier: Apache-2.0
//
// Fences: numbers that only grow and never repeat, whatever crashes. Their state is a record itself, in a
// space of its own and first in the table, so that a grant of a lock changes one page while locks are few.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "store/sqlite/connection.hpp"

namespace dcache::store::sqlite {

/// Fences follow the wall clock in microseconds, so that they grow even when the cache is made anew. What
/// keeps them unique is `reserved`: it is on the disk before any fence below it is handed out, so that after
/// a power loss, which may undo the newest commits, the first fence of the next boot is above all that were
/// ever seen.
struct Fences {
  std::string boot;            ///< the boot in which they were reserved
  std::uint64_t last = 0;      ///< the newest one handed out
  std::uint64_t reserved = 0;  ///< all that are handed out in this boot are below
};

/// The state after handing out one more, to be written if that one is used; its number is `last`. Nothing if
/// more must be reserved first. Throws Corrupt if the state is damaged: then no fence is safe.
std::optional<Fences> next_fence(Connection& connection);

/// The state as it is stored; none before the first grant. Throws Corrupt.
std::optional<Fences> read_fences(Connection& connection);

/// Ends the boot in which they were reserved: the next one is above all that were.
void forget_boot(Connection& connection);

void write_fences(Connection& connection, const Fences& fences);

/// Reserves more, in a transaction that its caller must commit to the disk.
void reserve_more(Connection& connection);

}  // namespace dcache::store::sqlite
