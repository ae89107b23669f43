// SPDX-License-Identifier: Apache-2.0
//
// Reading single values.
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_row.hpp"

namespace dcache::store::sqlite {

/// Finds a live value and hands out its bytes; `on_entry`, if any, sees the rest of it first. A file may
/// vanish between the row and its opening because the value is being replaced: then the row is read again.
bool SqliteStore::read_value(std::string_view key, FunctionRef<void(Entry&&)>* on_entry, Sink sink) {
  check_moved_sometimes();
  for (std::optional<FileRef> missed;;) {
    FileRef ref;
    std::uint64_t expected = 0;
    {
      Read read(*this);
      Statement row = read->use(Sql::get);
      row.bind(1, key);
      if (!read->step(row, "read a value")) return false;
      const RowHead head = head_of(row, key);
      if (expired(head, platform::now().unix_nanoseconds())) return false;
      const std::optional<FileRef> file = file_of(head, read->path());
      if (!file) {
        const std::string_view value = verified_value(row, head, read->path());
        if (on_entry != nullptr) (*on_entry)(entry_of(row, head, read->path()));
        sink(value);
        return true;
      }
      if (on_entry != nullptr) (*on_entry)(entry_of(row, head, read->path()));
      ref = *file;
      expected = expected_hash(row, head);
    }
    platform::File file;
    if (files_.open(ref, file)) {
      if (files_.read(ref, file, sink) != expected) {
        throw_damaged(key, database_path(), "the checksum of its file does not match");
      }
      return true;
    }
    if (missed == ref) throw_damaged(key, database_path(), "its file '" + ref.hex() + "' is gone");
    missed = ref;
  }
}

std::optional<std::string> SqliteStore::get(std::string_view key) {
  std::string value;
  if (!read_value(key, nullptr, [&](std::string_view bytes) { value.append(bytes); })) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  hits_.fetch_add(1, std::memory_order_relaxed);
  return value;
}

std::optional<Entry> SqliteStore::entry(std::string_view key) {
  Entry entry;
  const auto keep = [&](Entry&& head) { entry = std::move(head); };
  const auto append = [&](std::string_view bytes) {
    // Not before: until its file was found to have that size, the size may be damaged.
    if (entry.value.empty()) entry.value.reserve(entry.size);
    entry.value.append(bytes);
  };
  FunctionRef<void(Entry &&)> on_entry(keep);
  if (!read_value(key, &on_entry, append)) return std::nullopt;
  return entry;
}

bool SqliteStore::get_to(std::string_view key, Sink sink) { return read_value(key, nullptr, sink); }

bool SqliteStore::contains(std::string_view key) {
  check_moved_sometimes();
  Read read(*this);
  Statement row = read->use(Sql::find);
  row.bind(1, key);
  return read->step(row, "look for a key") &&
         (row.is_null(0) || row.number(0) > platform::now().unix_nanoseconds());
}

}  // namespace dcache::store::sqlite
