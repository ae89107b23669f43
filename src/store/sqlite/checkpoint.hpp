// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace dcache::store::sqlite {

/// Pages in the log at which a writer runs a checkpoint: as many bytes as with SQLite's own defaults.
inline constexpr int kCheckpointPages = 2000;

/// What is kept of the log's file when a checkpoint has emptied it: while the cache is written to, and when
/// it is closed. Cutting the file frees blocks that the next commits allocate anew, and then each fdatasync
/// waits for the file system's journal: small writes take twice as long.
inline constexpr std::uint64_t kBusyLogBytes = 8U << 20;
inline constexpr std::uint64_t kIdleLogBytes = 1U << 20;

/// A file of its own keeps as much of the disk as the log holds pages that are not in the database yet, in
/// steps of this many bytes. A full disk then still has room for what removes values: see
/// `SqliteStore::removing`.
inline constexpr std::uint64_t kSpareStep = 256U << 10;
/// Pages after which that is tried again where there was no room for it.
inline constexpr int kSpareRetryPages = 64;

/// Pages at which writers are kept out for a moment, as the log cannot start anew while they go on: first if
/// none is writing just now, then whoever is waited for.
inline constexpr int kOverduePages = 2 * kCheckpointPages;
inline constexpr int kUrgentPages = 5 * kCheckpointPages / 2;

/// Whether this SQLite can corrupt the database when a passive checkpoint races a writer: versions before
/// 3.51.3 except 3.44.6 and 3.50.7. `version` as sqlite3_libversion_number gives it.
[[nodiscard]] constexpr bool passive_checkpoint_is_unsafe(int version) noexcept {
  const bool backported =
      (version >= 3044006 && version < 3045000) || (version >= 3050007 && version < 3051000);
  return version < 3051003 && !backported;
}

}  // namespace dcache::store::sqlite
