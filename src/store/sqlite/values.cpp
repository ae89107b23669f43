// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing single values.
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/row.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_row.hpp"

namespace dcache::store::sqlite {

namespace {

std::int64_t now_ns() noexcept { return platform::now().unix_nanoseconds(); }

RowHead head_of(std::string_view key, const NewValue& value, std::int64_t now, std::string_view packed_tags) {
  RowHead head;
  head.key = key;
  head.stored = now;
  if (value.expires) head.expires = value.expires->unix_nanoseconds();
  head.format = static_cast<std::int64_t>(value.format);
  head.tags = packed_tags;
  return head;
}

/// Binds 2 to 6 of the statements that store a value.
void bind_value(Statement& statement, const RowHead& head, std::string_view value) {
  statement.bind(2, head.stored);
  if (head.expires) {
    statement.bind(3, *head.expires);
  } else {
    statement.bind_null(3);
  }
  statement.bind(4, head.format);
  statement.bind(5, static_cast<std::int64_t>(checksum(head, value)));
  statement.bind(6, value);
}

}  // namespace

std::optional<std::string> SqliteStore::get(std::string_view key) {
  Read read(*this);
  Statement row = read->use(Sql::get);
  row.bind(1, key);
  if (read->step(row, "read a value")) {
    const RowHead head = head_of(row, key);
    if (!expired(head, now_ns())) {
      verify(row, head, read->path());
      hits_.fetch_add(1, std::memory_order_relaxed);
      return std::string(row.bytes(kValueColumn));
    }
  }
  misses_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

std::optional<Entry> SqliteStore::entry(std::string_view key) {
  Read read(*this);
  Statement row = read->use(Sql::entry);
  row.bind(1, key);
  if (!read->step(row, "read an entry")) return std::nullopt;
  const RowHead head = head_of(row, key);
  if (expired(head, now_ns())) return std::nullopt;
  return entry_of(row, head, read->path(), true);
}

bool SqliteStore::contains(std::string_view key) {
  Read read(*this);
  Statement row = read->use(Sql::find);
  row.bind(1, key);
  return read->step(row, "look for a key") && (row.is_null(0) || row.number(0) > now_ns());
}

std::optional<SqliteStore::Found> SqliteStore::find(Connection& connection, std::string_view key,
                                                    std::int64_t now) {
  Statement row = connection.use(Sql::find_id);
  row.bind(1, key);
  if (!connection.step(row, "look for a key")) return std::nullopt;
  return Found{
      .id = row.number(0), .live = row.is_null(1) || row.number(1) > now, .tags = std::string(row.bytes(2))};
}

void SqliteStore::erase_row(Connection& connection, std::int64_t id, std::string_view packed_tags) {
  // A damaged list of tags leaves rows in `tags` that lead nowhere; they are passed over when they are met.
  for (const std::string& tag : unpack_tags(packed_tags).value_or(std::vector<std::string>{})) {
    Statement erase = connection.use(Sql::tag_erase);
    connection.run(erase.bind(1, std::string_view(tag)).bind(2, id), "remove a tag");
  }
  Statement erase = connection.use(Sql::erase_id);
  connection.run(erase.bind(1, id), "remove a value");
}

void SqliteStore::store_row(Connection& connection, std::string_view key, const NewValue& value,
                            std::int64_t now, const std::optional<Found>& old) {
  const std::string packed = pack_tags(value.tags);
  const RowHead head = head_of(key, value, now, packed);
  std::int64_t id = 0;
  {
    Statement put = connection.use(old ? Sql::update : Sql::insert);
    bind_value(put, head, value.bytes);
    if (old) {
      put.bind(1, old->id);
    } else {
      put.bind(1, key);
    }
    if (packed.empty()) {
      put.bind_null(7);
    } else {
      put.bind(7, packed);
    }
    connection.run(put, "store a value");
    id = old ? old->id : sqlite3_last_insert_rowid(connection.handle());
  }
  if (old && old->tags == packed) return;
  if (old) {
    for (const std::string& tag : unpack_tags(old->tags).value_or(std::vector<std::string>{})) {
      Statement erase = connection.use(Sql::tag_erase);
      connection.run(erase.bind(1, std::string_view(tag)).bind(2, id), "remove a tag");
    }
  }
  for (const std::string& tag : value.tags) {
    Statement insert = connection.use(Sql::tag_insert);
    connection.run(insert.bind(1, std::string_view(tag)).bind(2, id), "store a tag");
  }
}

bool SqliteStore::put(std::string_view key, const NewValue& value, Put mode) {
  Write write(*this, deadline_from_now());
  const std::int64_t now = now_ns();
  if (value.tags.empty()) {
    Statement put = write->use(mode == Put::always ? Sql::upsert : Sql::insert_if_dead);
    put.bind(1, key);
    bind_value(put, head_of(key, value, now, {}), value.bytes);
    write.changing();
    write->run(put, "store a value");
    if (sqlite3_changes64(write->handle()) == 1) {
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
  store_row(*write, key, value, now, old);
  write.commit();
  return true;
}

bool SqliteStore::erase(std::string_view key) {
  Write write(*this, deadline_from_now());
  const std::int64_t now = now_ns();
  {
    Statement erase = write->use(Sql::erase_live);
    write.changing();
    write->run(erase.bind(1, key).bind(2, now), "remove a value");
    if (sqlite3_changes64(write->handle()) == 1) {
      write.commit();
      return true;
    }
  }
  const std::optional<Found> old = find(*write, key, now);
  if (!old) {
    write.nothing_done();
    return false;
  }
  erase_row(*write, old->id, old->tags);
  write.commit();
  return old->live;
}

void SqliteStore::update(std::string_view key, FunctionRef<Change(const Entry*)> f) {
  Write write(*this, deadline_from_now());
  const std::int64_t now = now_ns();
  std::optional<Found> old;
  std::optional<Entry> entry;
  std::int64_t sum = 0;
  {
    Statement row = write->use(Sql::entry);
    row.bind(1, key);
    if (write->step(row, "read an entry")) {
      const RowHead head = head_of(row, key);
      old = Found{.id = row.number(6), .live = !expired(head, now), .tags = std::string(head.tags)};
      if (old->live) entry = entry_of(row, head, write->path(), true);
      sum = row.number(kSumColumn);
    }
  }
  const Change change = f(entry ? &*entry : nullptr);
  switch (change.kind) {
    case Change::Kind::keep:
      return;
    case Change::Kind::put:
      write.changing();
      store_row(*write, key, change.value, now, old);
      break;
    case Change::Kind::erase:
      if (!old) return;
      write.changing();
      erase_row(*write, old->id, old->tags);
      break;
    case Change::Kind::retime: {
      if (!entry) return;
      write.changing();
      RowHead head;
      head.key = key;
      head.stored = entry->stored.unix_nanoseconds();
      if (entry->expires) head.expires = entry->expires->unix_nanoseconds();
      head.format = static_cast<std::int64_t>(entry->format);
      head.tags = old->tags;
      const std::uint64_t of_value = static_cast<std::uint64_t>(sum) - checksum(head);
      head.expires = std::nullopt;
      if (change.value.expires) head.expires = change.value.expires->unix_nanoseconds();
      Statement retime = write->use(Sql::retime);
      retime.bind(1, old->id);
      if (head.expires) {
        retime.bind(2, *head.expires);
      } else {
        retime.bind_null(2);
      }
      write->run(retime.bind(3, static_cast<std::int64_t>(of_value + checksum(head))), "change an expiry");
      break;
    }
  }
  write.commit();
}

}  // namespace dcache::store::sqlite
