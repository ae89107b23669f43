// SPDX-License-Identifier: Apache-2.0
//
// Storing, changing and removing single values.
#include <algorithm>
#include <utility>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/errors.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_row.hpp"

namespace dcache::store::sqlite {

namespace {

std::int64_t now_ns() noexcept { return platform::now().unix_nanoseconds(); }

RowHead head_of(std::string_view key, const NewValue& value, std::int64_t now, std::string_view packed_tags,
                std::string_view packed_file) {
  RowHead head;
  head.key = key;
  head.stored = now;
  if (value.expires) head.expires = value.expires->unix_nanoseconds();
  head.format = static_cast<std::int64_t>(value.format);
  head.tags = packed_tags;
  head.file = packed_file;
  return head;
}

void bind_or_null(Statement& statement, int at, std::string_view bytes) {
  if (bytes.empty()) {
    statement.bind_null(at);
  } else {
    statement.bind(at, bytes);
  }
}

/// Binds 2 to 5 of the statements that store a value.
void bind_head(Statement& statement, const RowHead& head, std::uint64_t hash) {
  statement.bind(2, head.stored);
  if (head.expires) {
    statement.bind(3, *head.expires);
  } else {
    statement.bind_null(3);
  }
  statement.bind(4, head.format);
  statement.bind(5, static_cast<std::int64_t>(checksum(head) + hash));
}

}  // namespace

std::optional<SqliteStore::Found> SqliteStore::find(Connection& connection, std::string_view key,
                                                    std::int64_t now) {
  const std::optional<Statement> row = select(connection, Columns::place, key, "look for a key");
  if (!row) return std::nullopt;
  return Found{.key = std::string(key),
               .id = row->number(0),
               .live = row->is_null(1) || row->number(1) > now,
               .tags = std::string(row->bytes(2)),
               .file = std::string(row->bytes(3))};
}

/// Where the order of insertion goes on over several stores, ids are by the clock.
void SqliteStore::bind_place(Statement& insert, int at, Connection& connection, std::int64_t now) const {
  if (!has_siblings()) return;
  Statement newest = connection.use(Sql::last_id);
  const bool any = connection.step(newest, "find the newest value") && !newest.is_null(0);
  insert.bind(at, any ? std::max(newest.number(0) + 1, now) : now);
}

void SqliteStore::erase_tags(Connection& connection, std::int64_t id, std::string_view packed_tags) {
  // A damaged list of tags leaves rows in `tags` that lead nowhere; they are passed over when they are met.
  for (const std::string& tag : unpack_tags(packed_tags).value_or(std::vector<std::string>{})) {
    Statement erase = connection.use(Sql::tag_erase);
    connection.run(erase.bind(1, std::string_view(tag)).bind(2, id), "remove a tag");
  }
}

void SqliteStore::erase_row(Connection& connection, const Found& row) {
  mark(row.key);
  erase_tags(connection, row.id, row.tags);
  drop_file(connection, row.file);
  Statement erase = connection.use(Sql::erase_id);
  connection.run(erase.bind(1, row.id), "remove a value");
  // It was there a moment ago, in this transaction.
  if (sqlite3_changes64(connection.handle()) != 1) throw_out_of_order(connection.path());
}

void SqliteStore::store_row(Connection& connection, std::string_view key, const NewValue& value,
                            std::optional<ValueFiles::Draft> draft, std::int64_t now,
                            const std::optional<Found>& old) {
  mark(key);
  const std::string tags = pack_tags(value.tags);
  const std::string file = draft ? draft->ref().packed() : std::string();
  const RowHead head = head_of(key, value, now, tags, file);
  std::int64_t id = 0;
  {
    Statement put = connection.use(old ? Sql::update : Sql::insert);
    if (old) {
      put.bind(1, old->id).bind(9, key);
    } else {
      put.bind(1, key);
      bind_place(put, 9, connection, now);
    }
    bind_head(put, head, draft ? draft->hash() : hash_of(value.bytes));
    if (draft) {
      put.bind_null(6);
    } else {
      put.bind(6, value.bytes);
    }
    bind_or_null(put, 7, tags);
    bind_or_null(put, 8, file);
    connection.run(put, "store a value");
    if (sqlite3_changes64(connection.handle()) != 1) throw_out_of_order(connection.path());
    id = old ? old->id : sqlite3_last_insert_rowid(connection.handle());
  }
  note_stored(connection, id, !old);
  if (!old) note_row(connection, hints_.find(hash_of(key)), id, RowHints::By::writer);
  if (old) drop_file(connection, old->file);
  if (draft) add_file(*std::move(draft));
  if (!old || old->tags != tags) {
    if (old) erase_tags(connection, id, old->tags);
    for (const std::string& tag : value.tags) {
      Statement insert = connection.use(Sql::tag_insert);
      connection.run(insert.bind(1, std::string_view(tag)).bind(2, id), "store a tag");
    }
  }
  make_room(connection);
}

void SqliteStore::obey(Connection& connection, const Guard* guard) {
  if (guard == nullptr) return;
  std::optional<std::string> record;
  {
    Statement get = connection.use(Sql::record_get);
    get.bind(1, static_cast<std::int64_t>(Space::locks)).bind(2, std::string_view(guard->key()));
    if (connection.step(get, "look at a lock")) record = get.bytes(0);
  }
  require(*guard, record);
}

ValueFiles::Draft SqliteStore::new_draft() {
  const std::string token = session();
  try {
    return ValueFiles::Draft(files_, token);
  } catch (const IoError&) {
    check_moved();  // the better reason
    throw;
  }
}

std::optional<ValueFiles::Draft> SqliteStore::draft_for(std::string_view bytes) {
  if (bytes.size() <= options_.file_threshold) return std::nullopt;
  check_fits(bytes.size());
  ValueFiles::Draft draft = new_draft();
  draft.write(bytes);
  draft.place(options_.durability);
  return draft;
}

/// The fast way: whether the value was stored in one row and nothing else had to be done.
bool SqliteStore::put_row(Connection& connection, std::string_view key, const RowHead& head,
                          std::string_view bytes, Put mode) {
  const std::uint64_t value_hash = hash_of(bytes);
  const auto run = [&](Sql which, std::optional<std::int64_t> id) {
    Statement put = connection.use(which);
    put.bind(1, key).bind(6, bytes);
    bind_head(put, head, value_hash);
    if (id) {
      put.bind(7, *id);
    } else {
      bind_place(put, 7, connection, head.stored);
    }
    connection.run(put, "store a value");
    return sqlite3_changes64(connection.handle()) == 1;
  };
  const RowHints::Hint hint = hints_.find(hash_of(key));
  if (mode == Put::always && hint.id) {
    if (run(Sql::overwrite_at, hint.id)) return true;
    hints_.forget(hint);
  }
  // Only an insertion sets it again, to the new row.
  sqlite3_set_last_insert_rowid(connection.handle(), 0);
  if (!run(mode == Put::always ? Sql::upsert : Sql::insert_if_dead, {})) return false;
  if (const std::int64_t id = sqlite3_last_insert_rowid(connection.handle()); id != 0) {
    note_row(connection, hint, id, RowHints::By::writer);
  }
  return true;
}

bool SqliteStore::put(std::string_view key, const NewValue& value, Put mode) {
  sweep_once();
  std::optional<ValueFiles::Draft> draft = draft_for(value.bytes);
  Write write(*this, deadline_from_now());
  obey(*write, value.guard);
  const std::int64_t now = now_ns();
  if (value.tags.empty() && !draft && !goes_by_visits(*write)) {
    write.changing();
    if (put_row(*write, key, head_of(key, value, now, {}, {}), value.bytes, mode)) {
      mark(key);
      make_room(*write);
      sweep_now_and_then(*write);
      write.commit();
      return true;
    }
  }
  const std::optional<Found> old = find(*write, key, now);
  if (mode == Put::if_absent && old && old->live) {
    write.nothing_done();
    return false;
  }
  write.changing();
  store_row(*write, key, value, std::move(draft), now, old);
  sweep_now_and_then(*write);
  write.commit();
  return true;
}

void SqliteStore::put_from(std::string_view key, const NewValue& value, Source source) {
  sweep_once();
  // What fits the threshold goes to the row after all, so that reading it does not depend on how it came.
  std::string bytes;
  std::optional<ValueFiles::Draft> draft;
  std::string buffer(std::size_t{256} << 10, '\0');
  for (std::size_t n = 0; (n = source(buffer.data(), buffer.size())) != 0;) {
    const std::string_view part(buffer.data(), n);
    if (!draft && bytes.size() + n <= options_.file_threshold) {
      bytes.append(part);
      continue;
    }
    if (!draft) {
      draft.emplace(new_draft());
      draft->write(bytes);
    }
    check_fits(draft->ref().size + n);
    draft->write(part);
  }
  if (draft) {
    draft->place(options_.durability);
  }
  NewValue whole = value;
  whole.bytes = draft ? std::string_view() : std::string_view(bytes);
  Write write(*this, deadline_from_now());
  obey(*write, value.guard);
  const std::int64_t now = now_ns();
  const std::optional<Found> old = find(*write, key, now);
  write.changing();
  store_row(*write, key, whole, std::move(draft), now, old);
  write.commit();
}

bool SqliteStore::erase(std::string_view key, const Guard* guard) {
  return removing([&] { return erase_once(key, guard); });
}

/// The fast way: whether there was a live value in one row and nothing else has to be done.
bool SqliteStore::erase_live_row(Connection& connection, std::string_view key, std::int64_t now) {
  const auto run = [&](Sql which, std::optional<std::int64_t> id) {
    Statement erase = connection.use(which);
    erase.bind(1, key).bind(2, now);
    if (id) erase.bind(3, *id);
    connection.run(erase, "remove a value");
    return sqlite3_changes64(connection.handle()) == 1;
  };
  if (const RowHints::Hint hint = hints_.find(hash_of(key)); hint.id) {
    hints_.forget(hint);
    if (run(Sql::erase_live_at, hint.id)) return true;
  }
  return run(Sql::erase_live, {});
}

bool SqliteStore::erase_once(std::string_view key, const Guard* guard) {
  Write write(*this, deadline_from_now());
  obey(*write, guard);
  const std::int64_t now = now_ns();
  write.changing();
  if (erase_live_row(*write, key, now)) {
    mark(key);
    write.commit();
    return true;
  }
  const std::optional<Found> old = find(*write, key, now);
  if (!old) {
    write.nothing_done();
    return false;
  }
  erase_row(*write, *old);
  write.commit();
  return old->live;
}

std::optional<Entry> SqliteStore::pop(std::string_view key, const Guard* guard) {
  return removing([&] { return pop_once(key, guard); });
}

std::optional<Entry> SqliteStore::pop_once(std::string_view key, const Guard* guard) {
  Entry entry;
  std::optional<FileRef> ref;
  platform::File file;
  std::uint64_t expected = 0;
  {
    Write write(*this, deadline_from_now());
    obey(*write, guard);
    Found found;
    {
      const std::optional<Statement> selected = select(*write, Columns::entry, key, "read an entry");
      if (!selected) return std::nullopt;
      const Statement& row = *selected;
      const RowHead head = head_of(row, key);
      if (expired(head)) return std::nullopt;
      entry = entry_of(row, head, write->path());
      expected = expected_hash(row, head);
      ref = file_of(head, write->path());
      if (!ref) entry.value = verified_value(row, head, write->path());
      found = {.key = std::string(key),
               .id = row.number(kFirstFreeColumn),
               .live = true,
               .tags = std::string(head.tags),
               .file = std::string(head.file)};
    }
    // Opened before it is dropped: anybody may remove it after the commit.
    if (ref && !files_.open(*ref, file))
      throw_damaged(key, write->path(), "its file '" + ref->hex() + "' is gone");
    write.changing();
    erase_row(*write, found);
    write.commit();
  }
  if (ref) {
    if (ValueFiles::read(file, entry.value) != expected) {
      throw_damaged(key, database_path(), "the checksum of its file does not match");
    }
  }
  return entry;
}

bool SqliteStore::replace(std::string_view key, std::string_view expected, const NewValue& desired) {
  std::optional<ValueFiles::Draft> draft = draft_for(desired.bytes);
  for (;;) {
    // Comparing may mean to read a large file, so it is done outside of the transaction, which then makes
    // sure that the row is still the same.
    std::string seen;
    if (!read_value(key, nullptr, seen, nullptr) || seen != expected) {
      if (desired.guard != nullptr) {
        require(*desired.guard, record(Space::locks, desired.guard->key()));
      }
      return false;
    }
    Write write(*this, deadline_from_now());
    obey(*write, desired.guard);
    {
      const std::optional<Statement> row = select(*write, Columns::entry, key, "read an entry");
      if (!row) return false;
      if (expected_hash(*row, head_of(*row, key)) != hash_of(expected)) continue;
    }
    const std::int64_t now = now_ns();
    const std::optional<Found> old = find(*write, key, now);
    if (!old || !old->live) return false;
    write.changing();
    store_row(*write, key, desired, std::move(draft), now, old);
    write.commit();
    return true;
  }
}

void SqliteStore::update(std::string_view key, FunctionRef<Change(const Entry*)> f, const Guard* guard) {
  Write write(*this, deadline_from_now());
  obey(*write, guard);
  const std::int64_t now = now_ns();
  std::optional<Found> old;
  std::optional<Entry> entry;
  std::uint64_t value_hash = 0;
  if (const std::optional<Statement> selected = select(*write, Columns::entry, key, "read an entry")) {
    const Statement& row = *selected;
    const RowHead head = head_of(row, key);
    old = Found{.key = std::string(key),
                .id = row.number(kFirstFreeColumn),
                .live = !expired(head, now),
                .tags = std::string(head.tags),
                .file = std::string(head.file)};
    value_hash = expected_hash(row, head);
    if (old->live) {
      entry = entry_of(row, head, write->path());
      if (head.file.empty()) entry->value = verified_value(row, head, write->path());
    }
  }
  const Change change = f(entry ? &*entry : nullptr);
  switch (change.kind) {
    case Change::Kind::keep:
      return;
    case Change::Kind::put:
      write.changing();
      store_row(*write, key, change.value, std::nullopt, now, old);
      break;
    case Change::Kind::erase:
      if (!old) return;
      write.changing();
      erase_row(*write, *old);
      break;
    case Change::Kind::retime: {
      if (!entry) return;
      write.changing();
      mark(key);
      NewValue same{.bytes = {}, .format = entry->format, .expires = change.value.expires, .tags = {}};
      const RowHead head = head_of(key, same, entry->stored.unix_nanoseconds(), old->tags, old->file);
      Statement retime = write->use(Sql::retime);
      retime.bind(1, old->id);
      if (head.expires) {
        retime.bind(2, *head.expires);
      } else {
        retime.bind_null(2);
      }
      write->run(retime.bind(3, static_cast<std::int64_t>(checksum(head) + value_hash)), "change an expiry");
      break;
    }
  }
  write.commit();
}

}  // namespace dcache::store::sqlite
