// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace dcache::store::sqlite {

/// Pages in the log at which a writer runs a checkpoint.
inline constexpr int kCheckpointPages = 1000;

/// Pages at which it waits for its turn to do so, because others kept it from checkpointing.
inline constexpr int kOverduePages = 4 * kCheckpointPages;

/// Whether this SQLite can corrupt the database when a passive checkpoint races a writer: versions before
/// 3.51.3 except 3.44.6 and 3.50.7. `version` as sqlite3_libversion_number gives it.
[[nodiscard]] constexpr bool passive_checkpoint_is_unsafe(int version) noexcept {
  const bool backported =
      (version >= 3044006 && version < 3045000) || (version >= 3050007 && version < 3051000);
  return version < 3051003 && !backported;
}

}  // namespace dcache::store::sqlite
