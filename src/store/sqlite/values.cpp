// SPDX-License-Identifier: Apache-2.0
//
// Reading single values.
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_row.hpp"

namespace dcache::store::sqlite {

/// Finds a live value. Bytes in its row go to `bytes`; those of a file to `sink`, when no statement is open
/// any more, since a sink may use the cache. `head`, if any, gets the rest. A file may vanish between the row
/// and its opening because the value is being replaced: then the row is read again.
bool SqliteStore::read_value(std::string_view key, Entry* head, std::string& bytes, const Sink* sink) {
  check_moved_sometimes();
  for (std::optional<FileRef> missed;;) {
    std::optional<FileRef> ref;
    std::uint64_t expected = 0;
    {
      Read read(*this);
      Statement row = read->use(Sql::get);
      row.bind(1, key);
      if (!read->step(row, "read a value")) return false;
      const RowHead found = head_of(row, key);
      if (expired(found, platform::now().unix_nanoseconds())) return false;
      ref = file_of(found, read->path());
      if (head != nullptr) *head = entry_of(row, found, read->path());
      if (!ref) {
        bytes = verified_value(row, found, read->path());
        return true;
      }
      expected = expected_hash(row, found);
    }
    platform::File file;
    if (files_.open(*ref, file)) {
      const std::uint64_t hash =
          sink != nullptr ? ValueFiles::read(file, *sink) : ValueFiles::read(file, bytes);
      if (hash != expected) {
        throw_damaged(key, database_path(), "the checksum of its file does not match");
      }
      return true;
    }
    if (missed == ref) throw_damaged(key, database_path(), "its file '" + ref->hex() + "' is gone");
    missed = ref;
  }
}

std::optional<std::string> SqliteStore::get(std::string_view key) {
  std::optional<std::string> value(std::in_place);
  if (!read_value(key, nullptr, *value, nullptr)) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  hits_.fetch_add(1, std::memory_order_relaxed);
  return value;
}

std::optional<Entry> SqliteStore::entry(std::string_view key) {
  Entry entry;
  if (!read_value(key, &entry, entry.value, nullptr)) return std::nullopt;
  return entry;
}

bool SqliteStore::get_to(std::string_view key, Sink sink) {
  std::string bytes;
  if (!read_value(key, nullptr, bytes, &sink)) return false;
  if (!bytes.empty()) sink(bytes);
  return true;
}

bool SqliteStore::contains(std::string_view key) {
  check_moved_sometimes();
  Read read(*this);
  Statement row = read->use(Sql::find);
  row.bind(1, key);
  return read->step(row, "look for a key") &&
         (row.is_null(0) || row.number(0) > platform::now().unix_nanoseconds());
}

}  // namespace dcache::store::sqlite
