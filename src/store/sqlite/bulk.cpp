// SPDX-License-Identifier: Apache-2.0
//
// Removing and counting many values, in steps short enough that other writers need not notice.
#include <algorithm>
#include <optional>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/checkpoint.hpp"
#include "store/sqlite/errors.hpp"
#include "store/sqlite/query.hpp"
#include "store/sqlite/row.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace dcache::store::sqlite {

namespace {

/// Rows looked at in one write transaction: about 2 ms of work.
constexpr std::int64_t kRowsAStep = 200;

/// Between two of them: longer than any nap of a writer that waits, so that it gets in.
constexpr auto kPauseBetweenSteps = std::chrono::microseconds(250);

std::int64_t last_id(Connection& connection) {
  Statement newest = connection.use(Sql::last_id);
  return connection.step(newest, "find the newest value") ? newest.number(0) : 0;
}

bool has_all(const std::string& packed, const std::vector<std::string>& wanted) {
  const auto tags = unpack_tags(packed);
  return tags && std::all_of(wanted.begin(), wanted.end(), [&](const std::string& tag) {
           return std::find(tags->begin(), tags->end(), tag) != tags->end();
         });
}

/// Moves on to `id`, which must be behind `after`.
void advance(std::int64_t& after, std::int64_t id, const Connection& connection) {
  if (id <= after) throw_out_of_order(connection.path());
  after = id;
}

std::uint64_t number_of(Connection& connection, const char* sql, std::optional<std::int64_t> parameter = {}) {
  Query query(connection, sql, "count");
  if (parameter) query->bind(1, *parameter);
  return query.next() ? static_cast<std::uint64_t>(query->number(0)) : 0;
}

std::optional<Timestamp> time_of(Query& query, int column) {
  if (query->is_null(column)) return std::nullopt;
  return Timestamp::from_unix_nanoseconds(query->number(column));
}

/// Whether a row was stored after `start`. One of a later time than now was stored before the clock was set
/// back.
bool stored_after(Timestamp start, std::int64_t stored) {
  return stored > start.unix_nanoseconds() && stored <= platform::now().unix_nanoseconds();
}

}  // namespace

/// The rows that a statement (id, stored, tags, file, key) selects, read before any of them is changed.
std::vector<SqliteStore::Selected> SqliteStore::collect(Connection& connection, Statement& statement) {
  std::vector<Selected> rows;
  while (connection.step(statement, "select values to remove")) {
    rows.push_back({.row = {.key = std::string(statement.bytes(4)),
                            .id = statement.number(0),
                            .live = true,
                            .tags = std::string(statement.bytes(2)),
                            .file = std::string(statement.bytes(3))},
                    .stored = statement.number(1)});
  }
  return rows;
}

std::uint64_t SqliteStore::in_steps(
    FunctionRef<Step(Connection&, Walk& walk, std::int64_t rows, std::uint64_t& removed)> step,
    const OnProgress& on_progress) {
  std::uint64_t removed = 0;
  std::int64_t rows = kRowsAStep;
  Walk walk;
  for (Step next = Step::more; next == Step::more;) {
    Walk ahead = walk;
    std::uint64_t count = 0;
    try {
      removing([&] {
        ahead = walk;
        count = 0;
        Write write(*this, deadline_from_now());
        write.changing();
        next = step(*write, ahead, rows, count);
        write.commit();
        if (!in_transaction()) checkpoint_early();
      });
    } catch (const Full&) {
      if (in_transaction() || rows == 1) throw;
      rows = std::max<std::int64_t>(rows / 8, 1);
      next = Step::more;
      continue;
    }
    walk = ahead;
    removed += count;
    if (on_progress) on_progress(removed, 0);
    // Who waits for the store naps between its tries: without a pause this would win every time.
    if (next == Step::more && !in_transaction()) platform::sleep_for(kPauseBetweenSteps);
  }
  return removed;
}

std::uint64_t SqliteStore::evict(const Tags& tags, Match match, Timestamp start,
                                 const OnProgress& on_progress) {
  const std::vector<std::string>& names = tags.names();
  // With `all`, whatever is selected has the first tag; the others are looked up in the row itself.
  const std::size_t to_walk = match == Match::all ? 1 : names.size();
  // Not beyond, or it would run after a busy writer for ever.
  const std::int64_t last = last_id(*Read(*this));
  return in_steps(
      [&](Connection& connection, Walk& walk, std::int64_t rows_a_step, std::uint64_t& removed) {
        std::vector<Selected> rows;
        {
          Statement select = connection.use(Sql::tagged_batch);
          select.bind(1, std::string_view(names[walk.tag]))
              .bind(2, walk.after)
              .bind(3, rows_a_step)
              .bind(4, last);
          rows = collect(connection, select);
        }
        for (const Selected& selected : rows) {
          advance(walk.after, selected.row.id, connection);
          if (stored_after(start, selected.stored) ||
              (match == Match::all && !has_all(selected.row.tags, names)))
            continue;
          erase_row(connection, selected.row);
          ++removed;
        }
        if (std::ssize(rows) == rows_a_step) return Step::more;
        walk.after = 0;
        return ++walk.tag < to_walk ? Step::more : Step::done;
      },
      on_progress);
}

std::uint64_t SqliteStore::clear(Timestamp start, const OnProgress& on_progress) {
  const std::int64_t last = last_id(*Read(*this));
  return in_steps(
      [&](Connection& connection, Walk& walk, std::int64_t rows_a_step, std::uint64_t& removed) {
        std::vector<Selected> rows;
        {
          Statement select = connection.use(Sql::batch);
          select.bind(1, walk.after).bind(2, last).bind(3, rows_a_step);
          rows = collect(connection, select);
        }
        for (const Selected& selected : rows) {
          advance(walk.after, selected.row.id, connection);
          if (stored_after(start, selected.stored)) continue;
          erase_row(connection, selected.row);
          ++removed;
        }
        return std::ssize(rows) == rows_a_step ? Step::more : Step::done;
      },
      on_progress);
}

std::uint64_t SqliteStore::expire() {
  const std::int64_t start = platform::now().unix_nanoseconds();
  if (!in_transaction()) sweep_files();
  return in_steps([&](Connection& connection, Walk&, std::int64_t rows_a_step, std::uint64_t& removed) {
    std::vector<Selected> rows;
    {
      Statement select = connection.use(Sql::expired_batch);
      select.bind(1, start).bind(2, rows_a_step);
      rows = collect(connection, select);
    }
    for (const Selected& selected : rows) erase_row(connection, selected.row);
    removed += rows.size();
    return std::ssize(rows) == rows_a_step ? Step::more : Step::done;
  });
}

std::uint64_t SqliteStore::size() {
  const std::int64_t now = platform::now().unix_nanoseconds();
  Read read(*this);
  return number_of(
      *read, "SELECT (SELECT count(*) FROM entries) - (SELECT count(*) FROM entries WHERE expires <= ?1)",
      now);
}

Stats SqliteStore::stats() {
  const std::int64_t now = platform::now().unix_nanoseconds();
  Stats stats;
  {
    Read read(*this);
    stats.expired = number_of(*read, "SELECT count(*) FROM entries WHERE expires <= ?1", now);
    stats.entries = number_of(*read, "SELECT count(*) FROM entries") - stats.expired;
    {
      Query totals(*read,
                   "SELECT coalesce(sum(length(value)), 0), "
                   "min(stored) FILTER (WHERE expires IS NULL OR expires > ?1), "
                   "max(stored) FILTER (WHERE expires IS NULL OR expires > ?1) FROM entries",
                   "count");
      totals->bind(1, now);
      if (totals.next()) {
        stats.value_bytes = static_cast<std::uint64_t>(totals->number(0));
        stats.oldest = time_of(totals, 1);
        stats.newest = time_of(totals, 2);
      }
    }
    stats.value_bytes += file_bytes(*read);
    stats.tags = number_of(*read, "SELECT count(DISTINCT tag) FROM tags");
    stats.locks = number_of(*read, "SELECT count(*) FROM records WHERE space = ?1",
                            static_cast<std::int64_t>(Space::locks));
    stats.free_bytes = number_of(*read, "PRAGMA freelist_count") * kPageBytes;
  }
  stats.database_bytes = platform::file_info(directory_.path / "cache.db").size;
  stats.wal_bytes = platform::file_info(directory_.path / "cache.db-wal").size;
  Copies* const copies = this->copies();
  stats.hits = hits_.load(std::memory_order_relaxed) + (copies != nullptr ? copies->hits() : 0);
  stats.misses = misses_.load(std::memory_order_relaxed) + (copies != nullptr ? copies->misses() : 0);
  stats.checkpoints = checkpointer_.count();
  stats.board = board()->can_be_had();
  stats.wal_reset_bug = passive_checkpoint_is_unsafe(sqlite3_libversion_number());
  stats.engine = std::string("SQLite ") + sqlite3_libversion();
  return stats;
}

std::vector<std::string> SqliteStore::tags() {
  std::vector<std::string> found;
  Read read(*this);
  Query row(*read, "SELECT DISTINCT tag FROM tags", "list tags");
  while (row.next()) found.emplace_back(row->bytes(0));
  return found;
}

}  // namespace dcache::store::sqlite
