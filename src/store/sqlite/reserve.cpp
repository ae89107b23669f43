// SPDX-License-Identifier: Apache-2.0
//
// Room on the disk that is taken before it is needed, so that values can be removed when the disk is full. A
// commit goes to the log, and the log starts anew once all of it was copied into the database. So the
// database file gets its blocks before a commit that adds pages, which makes copying always possible; and the
// log file is a little longer than what is in it. What stores is refused when that cannot be had, what
// removes uses it.
#include <algorithm>

#include "dcache/error.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::int64_t kChunkBytes = 256 << 10;

/// Pages that removing values may add to the database, for lists of what is to be removed.
constexpr std::int64_t kSparePages = 32;

/// Pages that storing one small value may add: one for each table and index.
constexpr std::int64_t kPagesAPut = 10;

/// Bytes in the log for removing a value, many times.
constexpr std::int64_t kSpareLogBytes = 256 << 10;

constexpr std::int64_t kLogHeaderBytes = 32;
constexpr std::int64_t kFrameBytes = kPageBytes + 24;

/// Makes SQLite grow and cut the file in chunks, and take a hint of its size as an order.
void use_chunks(sqlite3_file* file) {
  int chunk = kChunkBytes;
  file->pMethods->xFileControl(file, SQLITE_FCNTL_CHUNK_SIZE, &chunk);
}

/// Gives a file of SQLite's blocks for `wanted` bytes if they can be had. Returns its size.
std::int64_t extend(Connection& connection, int which_file, std::int64_t wanted) {
  sqlite3_file* file = nullptr;
  sqlite3_int64 size = 0;
  sqlite3_file_control(connection.handle(), "main", which_file, &file);
  if (file == nullptr || file->pMethods == nullptr) return 0;
  if (file->pMethods->xFileSize(file, &size) != SQLITE_OK || size >= wanted) return size;
  sqlite3_int64 hint = wanted;
  use_chunks(file);
  file->pMethods->xFileControl(file, SQLITE_FCNTL_SIZE_HINT, &hint);
  return file->pMethods->xFileSize(file, &size) == SQLITE_OK ? size : 0;
}

std::int64_t number_of(Connection& connection, Sql which) {
  Statement row = connection.use(which);
  return connection.step(row, "read the size of the database") ? row.number(0) : 0;
}

}  // namespace

/// In the transaction that stores `bytes` in a row. Looks only when what was found the last time may be used
/// up.
void SqliteStore::reserve_pages(Connection& connection, std::uint64_t bytes) {
  spare_pages_ -= kPagesAPut + static_cast<std::int64_t>(bytes / (kPageBytes - 200));
  if (spare_pages_ > 0) return;
  const std::int64_t pages = number_of(connection, Sql::page_count);
  const std::int64_t free = number_of(connection, Sql::free_pages);
  const std::int64_t needed = (pages + std::max<std::int64_t>(kSparePages - free, 0)) * kPageBytes;
  std::int64_t size = extend(connection, SQLITE_FCNTL_FILE_POINTER, needed + kChunkBytes);
  if (size < needed) size = extend(connection, SQLITE_FCNTL_FILE_POINTER, needed);
  if (size < needed) {
    throw Full("cannot store in '" + escape(connection.path()) +
               "': no space left on the disk; nothing was stored and older values are intact: free space, or "
               "delete or evict values");
  }
  spare_pages_ = size / kPageBytes - pages + free - kSparePages;
}

/// After a commit that left `pages` in the log: whether it has room for what removes values.
bool SqliteStore::reserve_log(Connection& connection, int pages) {
  const std::int64_t needed = kLogHeaderBytes + pages * kFrameBytes + kSpareLogBytes;
  // Fewer pages than before: it was started anew, and perhaps cut.
  if (pages < log_pages_) log_bytes_ = 0;
  log_pages_ = pages;
  if (log_bytes_ < needed) log_bytes_ = extend(connection, SQLITE_FCNTL_JOURNAL_POINTER, needed);
  return log_bytes_ >= needed;
}

/// A checkpoint cuts the database to its size, which must leave what was reserved.
void SqliteStore::keep_reserved(Connection& checkpointer) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(checkpointer.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (file != nullptr && file->pMethods != nullptr) use_chunks(file);
}

/// When a removal does not fit what is left of the log.
void SqliteStore::empty_log() {
  if (!take_slot(deadline_from_now())) return;
  checkpoint(true);
  free_slot();
}

}  // namespace dcache::store::sqlite
