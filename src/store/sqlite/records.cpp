// SPDX-License-Identifier: Apache-2.0
//
// Records: small texts by space and key, and the fences that go into them.
#include "store/sqlite/errors.hpp"
#include "store/sqlite/fences.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace dcache::store::sqlite {

namespace {

std::int64_t number(Space space) noexcept { return static_cast<std::int64_t>(space); }

void put_or_erase(Connection& connection, Space space, std::string_view key, const RecordChange& change) {
  const bool put = change.kind == RecordChange::Kind::put;
  Statement statement = connection.use(put ? Sql::record_put : Sql::record_erase);
  statement.bind(1, number(space)).bind(2, key);
  if (put) statement.bind(3, change.bytes);
  connection.run(statement, "change a record");
}

/// The first key behind `after` in byte order.
std::string behind(const std::optional<std::string>& after) { return after ? *after + '\0' : std::string(); }

}  // namespace

void SqliteStore::reserve_fences(Deadline deadline) {
  Write write(*this, deadline, Durability::full);
  write.changing();
  reserve_more(*write);
  write.commit();
}

std::optional<std::string> SqliteStore::record(Space space, std::string_view key) {
  check_moved_sometimes();
  Read read(*this, Read::Extent::single_row);
  Statement get = read->use(Sql::record_get);
  if (!read->step(get.bind(1, number(space)).bind(2, key), "read a record")) return std::nullopt;
  return std::string(get.bytes(0));
}

bool SqliteStore::add_record(Space space, std::string_view key, FunctionRef<std::string(std::uint64_t)> make,
                             Deadline deadline) {
  return removing([&] { return add_record_once(space, key, make, deadline); });
}

bool SqliteStore::add_record_once(Space space, std::string_view key,
                                  FunctionRef<std::string(std::uint64_t)> make, Deadline deadline) {
  for (;;) {
    {
      Write write(*this, deadline);
      turn_.expect_others();
      if (const std::optional<Fences> fences = next_fence(*write)) {
        const std::string bytes = make(fences->last);
        write.changing();
        {
          Statement add = write->use(Sql::record_add);
          write->run(add.bind(1, number(space)).bind(2, key).bind(3, bytes), "add a record");
        }
        if (sqlite3_changes64(write->handle()) == 0) {
          write.nothing_done();
          return false;
        }
        write_fences(*write, *fences);
        write.commit();
        return true;
      }
    }
    reserve_fences(deadline);
  }
}

bool SqliteStore::erase_record(Space space, std::string_view key, std::string_view expected,
                               Deadline deadline) {
  return removing([&] { return erase_record_once(space, key, expected, deadline); });
}

bool SqliteStore::erase_record_once(Space space, std::string_view key, std::string_view expected,
                                    Deadline deadline) {
  Write write(*this, deadline);
  turn_.expect_others();
  Statement erase = write->use(Sql::record_erase_if);
  write.changing();
  write->run(erase.bind(1, number(space)).bind(2, key).bind(3, expected), "remove a record");
  if (sqlite3_changes64(write->handle()) == 0) {
    write.nothing_done();
    return false;
  }
  write.commit();
  return true;
}

void SqliteStore::update_record(Space space, std::string_view key,
                                FunctionRef<RecordChange(const std::string*, std::uint64_t)> f,
                                Deadline deadline) {
  removing([&] { update_record_once(space, key, f, deadline); });
}

void SqliteStore::update_record_once(Space space, std::string_view key,
                                     FunctionRef<RecordChange(const std::string*, std::uint64_t)> f,
                                     Deadline deadline) {
  for (;;) {
    {
      Write write(*this, deadline);
      turn_.expect_others();
      if (const std::optional<Fences> fences = next_fence(*write)) {
        std::optional<std::string> old;
        {
          Statement get = write->use(Sql::record_get);
          if (write->step(get.bind(1, number(space)).bind(2, key), "read a record")) old = get.bytes(0);
        }
        const RecordChange change = f(old ? &*old : nullptr, fences->last);
        if (change.kind != RecordChange::Kind::keep) {
          write.changing();
          put_or_erase(*write, space, key, change);
          if (change.fence_used) write_fences(*write, *fences);
          write.commit();
        }
        for (const Agent& agent : change.wake) wake(agent.session, agent.agent);
        return;
      }
    }
    reserve_fences(deadline);
  }
}

std::vector<Record> SqliteStore::records(Space space, const std::optional<std::string>& after,
                                         std::size_t limit) {
  check_moved_sometimes();
  Read read(*this);
  const std::string from = behind(after);
  Statement row = read->use(Sql::record_list);
  row.bind(1, number(space)).bind(2, from).bind(3, static_cast<std::int64_t>(limit));
  std::vector<Record> found;
  while (read->step(row, "list records")) {
    Record record{std::string(row.bytes(0)), std::string(row.bytes(1))};
    if (record.key < (found.empty() ? from : found.back().key)) throw_out_of_order(read->path());
    found.push_back(std::move(record));
  }
  return found;
}

}  // namespace dcache::store::sqlite
