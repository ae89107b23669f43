// SPDX-License-Identifier: Apache-2.0
//
// Reading single values.
#include <exception>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/copies.hpp"
#include "store/hash.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_row.hpp"

namespace dcache::store::sqlite {

/// One look for a value: first among the copies, then, for the next time, of what the database says.
class Lookup {
 public:
  Lookup(SqliteStore& store, std::string_view key)
      : store_(store), copies_(store.copies()), key_(key), hash_(copies_ != nullptr ? hash_of(key) : 0) {}

  Copies::Found find(FunctionRef<void(const Copy&)> use, Copies::Count count = Copies::Count::no) {
    if (copies_ == nullptr) return Copies::Found::unknown;
    const auto note_and_use = [&](const Copy& copy) {
      used(copy.id);
      use(copy);
    };
    const Copies::Found found = copies_->find(key_, hash_, note_and_use, count);
    if (found == Copies::Found::unknown) {
      ticket_ = copies_->ask(hash_);
      if (ticket_.stuck) store_.settle_for_the_killed();
    }
    return found;
  }
  /// Says that the value is asked for, which counts where a size limit goes by that.
  void used(std::int64_t id) const noexcept {
    if (board::Visits* const visits = store_.visits()) visits->used(static_cast<std::uint64_t>(id));
  }
  [[nodiscard]] bool keeps(std::uint64_t size) const {
    return copies_ != nullptr && size <= copies_->largest();
  }
  void keep(const Copy* copy) {
    if (copies_ != nullptr) copies_->keep(ticket_, key_, hash_, copy);
  }

 private:
  SqliteStore& store_;
  Copies* const copies_;
  const std::string_view key_;
  const std::uint64_t hash_;
  Copies::Ticket ticket_;
};

namespace {

Copy copy_of(const Statement& row, const RowHead& head, std::string_view value) {
  return {.value = value,
          .tags = head.tags,
          .stored = head.stored,
          .expires = head.expires,
          .format = static_cast<Format>(head.format),
          .id = row.number(kFirstFreeColumn)};
}

/// None if its tags cannot be read: the database is to say so.
std::optional<Entry> entry_of(const Copy& copy, std::string_view key) {
  auto tags = unpack_tags(copy.tags);
  if (!tags) return std::nullopt;
  Entry entry{.key = std::string(key),
              .value = std::string(copy.value),
              .expires = {},
              .tags = *std::move(tags),
              .stored = Timestamp::from_unix_nanoseconds(copy.stored),
              .size = copy.value.size(),
              .format = copy.format};
  if (copy.expires) entry.expires = Timestamp::from_unix_nanoseconds(*copy.expires);
  return entry;
}

}  // namespace

std::optional<Statement> SqliteStore::select(Connection& connection, Columns columns, std::string_view key,
                                             const char* doing) {
  const bool whole = columns == Columns::entry;
  const RowHints::Hint hint = hints_.find(hash_of(key));
  if (hint.id) {
    Statement row = connection.use(whole ? Sql::entry_at : Sql::find_at);
    if (connection.step(row.bind(1, key).bind(2, *hint.id), doing)) return row;
  }
  Statement row = connection.use(whole ? Sql::entry : Sql::find);
  if (!connection.step(row.bind(1, key), doing)) {
    hints_.forget(hint);
    return std::nullopt;
  }
  note_row(connection, hint, row.number(whole ? kFirstFreeColumn : 0), RowHints::By::reader);
  return row;
}

void SqliteStore::note_row(Connection& connection, const RowHints::Hint& hint, std::int64_t id,
                           RowHints::By by) noexcept {
  if (!hints_.note(hint, id, by)) return;
  try {
    hints_.make_room(most_entries(connection));
  } catch (const std::exception&) {
    // What was to be done does not depend on it.
  }
}

/// Finds a live value. Bytes in its row go to `bytes`; those of a file to `sink`, when no statement is open
/// any more, since a sink may use the cache. `head`, if any, gets the rest. A file may vanish between the row
/// and its opening because the value is being replaced: then the row is read again.
bool SqliteStore::read_value(std::string_view key, Entry* head, std::string& bytes, const Sink* sink,
                             Lookup* lookup) {
  check_moved_sometimes();
  for (std::optional<FileRef> missed;;) {
    std::optional<FileRef> ref;
    std::uint64_t expected = 0;
    Copy copy;
    std::string tags;
    {
      Read read(*this, Read::Extent::single_row);
      const std::optional<Statement> selected = select(*read, Columns::entry, key, "read a value");
      if (!selected) {
        if (lookup != nullptr) lookup->keep(nullptr);
        return false;
      }
      const Statement& row = *selected;
      const RowHead found = head_of(row, key);
      if (expired(found)) return false;
      if (lookup != nullptr) lookup->used(row.number(kFirstFreeColumn));
      ref = file_of(found, read->path());
      if (head != nullptr) *head = entry_of(row, found, read->path());
      if (!ref) {
        bytes = verified_value(row, found, read->path());
        if (lookup != nullptr) {
          copy = copy_of(row, found, bytes);
          lookup->keep(&copy);
        }
        return true;
      }
      expected = expected_hash(row, found);
      if (lookup != nullptr && lookup->keeps(ref->size)) {
        tags = found.tags;
        copy = copy_of(row, found, {});
        copy.tags = tags;
      } else {
        lookup = nullptr;
      }
    }
    platform::File file;
    if (files_.open(*ref, file)) {
      const std::uint64_t hash =
          sink != nullptr ? ValueFiles::read(file, *sink) : ValueFiles::read(file, bytes);
      if (hash != expected) {
        throw_damaged(key, database_path(), "the checksum of its file does not match");
      }
      if (lookup != nullptr) {
        copy.value = bytes;
        lookup->keep(&copy);
      }
      return true;
    }
    if (missed == ref) throw_damaged(key, database_path(), "its file '" + ref->hex() + "' is gone");
    missed = ref;
  }
}

std::optional<std::string> SqliteStore::get(std::string_view key) {
  std::optional<std::string> value(std::in_place);
  Lookup lookup(*this, key);
  switch (lookup.find([&](const Copy& copy) { value->assign(copy.value); }, Copies::Count::yes)) {
    case Copies::Found::present:
      return value;
    case Copies::Found::absent:
      return std::nullopt;
    case Copies::Found::unknown:
      break;
  }
  if (!read_value(key, nullptr, *value, nullptr, &lookup)) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  hits_.fetch_add(1, std::memory_order_relaxed);
  return value;
}

std::optional<Entry> SqliteStore::entry(std::string_view key) {
  std::optional<Entry> entry;
  Lookup lookup(*this, key);
  const Copies::Found found = lookup.find([&](const Copy& copy) { entry = entry_of(copy, key); });
  if (entry || found == Copies::Found::absent) return entry;
  entry.emplace();
  if (!read_value(key, &*entry, entry->value, nullptr, &lookup)) return std::nullopt;
  return entry;
}

bool SqliteStore::get_to(std::string_view key, Sink sink) {
  std::string bytes;
  if (!read_value(key, nullptr, bytes, &sink)) return false;
  if (!bytes.empty()) sink(bytes);
  return true;
}

bool SqliteStore::contains(std::string_view key) {
  const Copies::Found found = Lookup(*this, key).find([](const Copy&) {});
  if (found != Copies::Found::unknown) return found == Copies::Found::present;
  check_moved_sometimes();
  Read read(*this, Read::Extent::single_row);
  const std::optional<Statement> row = select(*read, Columns::place, key, "look for a key");
  return row && (row->is_null(1) || row->number(1) > platform::now().unix_nanoseconds());
}

}  // namespace dcache::store::sqlite
