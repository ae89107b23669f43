// SPDX-License-Identifier: Apache-2.0
//
// Giving the database's free pages back. VACUUM writes all pages anew, through the log, so the file gets
// smaller only by a checkpoint of the whole log; that one keeps to the same rules as every other
// (checkpoint.cpp).
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "platform/file.hpp"
#include "store/sqlite/checkpoint.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/watched.hpp"

namespace dcache::store::sqlite {

namespace {

/// How long to wait for readers that keep the log from being copied.
constexpr auto kWaitForReaders = std::chrono::seconds(5);

}  // namespace

std::uint64_t SqliteStore::bytes_on_disk() {
  std::uint64_t files = 0;
  {
    Read read(*this);
    files = file_bytes(*read);
  }
  return files + platform::file_info(database_file_).size;
}

/// Before anything is written: what fails half-way leaves a long log on a full disk for a while.
void SqliteStore::check_room_to_compact() {
  std::uint64_t needed = 0;
  {
    Read read(*this);
    needed = bytes_used(*read) - file_bytes(*read);
  }
  needed += needed / 64;  // each page has a header in the log
  const std::uint64_t log = platform::file_info(file("cache.db-wal")).size;
  if (platform::free_bytes(directory_.path) + log >= needed) return;
  throw Full("compact needs " + std::to_string(needed) + " bytes free in '" +
             escape(directory_.path.native()) + "' for a while; nothing was changed: free space first");
}

void SqliteStore::vacuum(const OnProgress& on_progress) {
  Connection& connection = writer(deadline_from_now());
  connection.set_deadline(deadline_from_now());
  check_moved();
  Watched watched(connection, [&] {
    if (on_progress) on_progress(0, 0);
  });
  watched.run([&] { connection.execute("VACUUM", "compact the database"); });
}

/// Copies all of the log into the database and cuts it; whether that could be done. The caller has the slot.
bool SqliteStore::empty_log(const OnProgress& on_progress) {
  const auto end = std::chrono::steady_clock::now() + kWaitForReaders;
  while (!checkpointer_.alone()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    if (on_progress) on_progress(0, 0);
    platform::sleep_for(std::chrono::milliseconds(20));
  }
  try {
    cut_log();
  } catch (const Error&) {
    // Somebody else is writing, and the next checkpoint cuts it.
  }
  return true;
}

CompactReport SqliteStore::compact(const CompactOptions& options) {
  CompactReport report{.before = bytes_on_disk()};
  report.expired = expire();
  check_room_to_compact();
  if (!take_slot(deadline_from_now())) throw_no_turn();
  try {
    vacuum(options.on_progress);
    report.complete = empty_log(options.on_progress);
  } catch (...) {
    // What VACUUM had written to the log counts for nothing, but takes room.
    if (writer_ != nullptr && !writer_->in_transaction()) static_cast<void>(empty_log({}));
    free_slot();
    throw;
  }
  free_slot();
  report.after = bytes_on_disk();
  return report;
}

}  // namespace dcache::store::sqlite
