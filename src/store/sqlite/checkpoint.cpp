// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/checkpoint.hpp"

#include <atomic>
#include <memory>
#include <utility>

#include "board/layout.hpp"
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "platform/directory.hpp"
#include "platform/file.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr const char* kSpareName = "spare";

}  // namespace

void SqliteStore::after_commit() {
  const int pages = writer_->wal_pages();
  look_at_spare_sometimes();
  const bool log_anew = pages < spare_retry_at_ - kSpareRetryPages;
  if (pages > spare_pages_ && (pages >= spare_retry_at_ || log_anew)) cover(pages);
  // After one that could not copy everything (a reader is in the way) let the log grow a little first.
  if (pages < kCheckpointPages && checkpoint_after_ != kCheckpointPages) {
    checkpoint_after_ = kCheckpointPages;
    if (const auto copied = copied_at()) copied->store(0, std::memory_order_relaxed);
  }
  if (pages >= checkpoint_after_) call_for_checkpoint(pages);
}

/// Whether another process has said that it copies the log, which was about as long then. If nobody has, they
/// are told that this one does. A hint: who was killed at it leaves it to those who find the log longer.
bool SqliteStore::others_copy(int pages) {
  const auto copied = copied_at();
  if (copied == nullptr) return false;
  int seen = copied->load(std::memory_order_relaxed);
  // A longer one was before the log began anew.
  if (seen <= pages && pages - seen < kCheckpointPages / 4) return true;
  return !copied->compare_exchange_strong(seen, pages, std::memory_order_relaxed);
}

/// The word in which it is said, if there is a board.
std::shared_ptr<std::atomic<int>> SqliteStore::copied_at() noexcept {
  auto memory = mapped_board();
  if (memory == nullptr) return nullptr;
  auto& pages = memory->at<std::atomic<int>>(board::kCopiedAt);
  return {std::move(memory), &pages};
}

/// One is run when the slot is free.
void SqliteStore::call_for_checkpoint(int pages) {
  using Haste = Checkpointer::Haste;
  if (pages < kUrgentPages && others_copy(pages)) {
    checkpoint_after_ = pages + kCheckpointPages / 8;
    return;
  }
  checkpoint_due_ = pages < kOverduePages  ? Haste::due
                    : pages < kUrgentPages ? Haste::overdue
                                           : Haste::urgent;
  checkpoint_after_ = pages + kCheckpointPages / 4;
}

/// Whoever removes much does not leave it to others, in whose single writes it would be felt, to copy the log
/// that it makes long.
void SqliteStore::checkpoint_early() {
  const int pages = writer_->wal_pages();
  if (pages >= checkpoint_after_ - kCheckpointPages / 2) call_for_checkpoint(pages);
}

/// Others cut the spare room when they close, or need it.
void SqliteStore::look_at_spare_sometimes() {
  const std::int64_t now = platform::coarse_monotonic_ns();
  if (now - looked_at_spare_ < kLookPeriod) return;
  looked_at_spare_ = now;
  const std::uint64_t size = platform::file_info(file(kSpareName)).size;
  spare_pages_ = std::min(spare_pages_, static_cast<int>(size / kPageBytes));
}

/// Keeps room on the disk for `pages` of the log. Where there is none, as much as possible of them goes to
/// the database while it can still grow.
void SqliteStore::cover(int pages) {
  const std::uint64_t steps = (static_cast<std::uint64_t>(pages) * kPageBytes + kSpareStep - 1) / kSpareStep;
  if (platform::reserve_room(file(kSpareName), steps * kSpareStep)) {
    spare_pages_ = static_cast<int>(steps * kSpareStep / kPageBytes);
    return;
  }
  spare_retry_at_ = pages + kSpareRetryPages;
  checkpointer_.beside_others();
}

/// Whether a removal that did not fit the disk should be tried again: the first time with the spare room
/// given to it, then once more with an emptied log.
bool SqliteStore::make_way(int tries) {
  if (in_transaction() || tries >= 2) return false;
  const bool given = tries == 0 && platform::give_back_room(file(kSpareName));
  if (!take_slot(deadline_from_now())) return given;
  if (writer_ != nullptr) {
    spare_pages_ = 0;
    spare_retry_at_ = writer_->wal_pages() + kSpareRetryPages;
    checkpointer_.alone();
  }
  free_slot();
  return true;
}

/// Leaves a short log behind: the kept file is what deletes on a full disk are written to, but no more of it
/// is needed. The first commit after a complete checkpoint starts the log anew and cuts the file.
void SqliteStore::trim_log() noexcept {
  if (writer_ == nullptr) return;
  try {
    const bool is_short = platform::file_info(file("cache.db-wal")).size <= kIdleLogBytes;
    if (!is_short && !checkpointer_.beside_others()) return;
    platform::give_back_room(file(kSpareName), kIdleLogBytes);
    if (is_short) return;
    cut_log();
  } catch (const std::exception&) {
    // Somebody else is writing, and will do it.
  }
}

/// After a complete checkpoint: leaves the log as short as an idle one. The caller has the writer slot.
void SqliteStore::cut_log() {
  const auto limit = [this](std::uint64_t bytes) {
    writer_->execute(("PRAGMA journal_size_limit=" + std::to_string(bytes)).c_str(), "trim the log");
  };
  writer_->set_deadline(std::chrono::steady_clock::now());
  limit(kIdleLogBytes);
  const std::string trim = "INSERT INTO meta VALUES('trimmed', CAST('" +
                           std::to_string(platform::now().unix_nanoseconds()) +
                           "' AS BLOB)) ON CONFLICT DO UPDATE SET value = excluded.value";
  writer_->execute(trim.c_str(), "trim the log");
  limit(kBusyLogBytes);
}

}  // namespace dcache::store::sqlite
