// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/check.hpp"

#include <algorithm>

#include "dcache/bytes.hpp"
#include "store/sqlite/fences.hpp"
#include "store/sqlite/query.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr const char* kGiveUp = "stop all users and move the directory aside";

std::uint64_t first_number(Connection& connection, const char* sql) {
  Query query(connection, sql, "check");
  return query.next() ? static_cast<std::uint64_t>(query->number(0)) : 0;
}

/// What SQLite itself finds wrong, by what it takes to mend it.
struct Findings {
  std::vector<std::string> structure;  ///< nothing does
  std::vector<std::string> indexes;    ///< making them anew
  std::vector<std::string> rows;       ///< removing rows with values of the wrong type
  [[nodiscard]] bool none() const { return structure.empty() && indexes.empty() && rows.empty(); }
};

Findings findings_of(Connection& connection) {
  Findings found;
  const auto has = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  Query query(connection, "PRAGMA integrity_check(100)", "check");
  while (query.next()) {
    std::string text(query->bytes(0));
    if (text == "ok") continue;
    if (has(text, "missing from index ") || has(text, "wrong # of entries in index ") ||
        has(text, "non-unique entry in index ") || has(text, "differ from index ") ||
        has(text, " of index ")) {
      found.indexes.push_back(std::move(text));
    } else if (has(text, " value in ")) {
      found.rows.push_back(std::move(text));
    } else {
      found.structure.push_back(std::move(text));
    }
  }
  return found;
}

std::string summary(const std::vector<std::string>& messages) {
  std::string text = escape(messages.front());
  if (messages.size() > 1) text += " (and " + std::to_string(messages.size() - 1) + " more)";
  return text;
}

/// While it lives, SQLite takes it as no error that a row which is removed has no entry in an index.
class ForgivingIndexes {
 public:
  explicit ForgivingIndexes(Connection& connection) : connection_(connection) { set(1); }
  ForgivingIndexes(const ForgivingIndexes&) = delete;
  ForgivingIndexes& operator=(const ForgivingIndexes&) = delete;
  ~ForgivingIndexes() { set(0); }

 private:
  void set(int on) noexcept {
    sqlite3_db_config(connection_.handle(), SQLITE_DBCONFIG_DEFENSIVE, 1 - on, nullptr);
    sqlite3_db_config(connection_.handle(), SQLITE_DBCONFIG_WRITABLE_SCHEMA, on, nullptr);
  }

  Connection& connection_;
};

/// The bytes in value files: as `meta` has them, and as the rows say, both as of one moment.
struct Totals {
  std::string stored = "0";
  std::uint64_t counted = 0;
  [[nodiscard]] bool equal() const { return stored == std::to_string(counted); }
};

Totals totals_of(Connection& connection) {
  Totals totals;
  Query query(connection,
              "SELECT 0, value FROM meta WHERE name = 'file_bytes' "
              "UNION ALL SELECT 1, file FROM entries WHERE file IS NOT NULL",
              "check");
  while (query.next()) {
    if (query->number(0) == 0) {
      totals.stored = query->bytes(1);
    } else if (const std::optional<FileRef> file = FileRef::unpack(query->bytes(1))) {
      totals.counted += file->size;
    }
  }
  return totals;
}

}  // namespace

CheckReport SqliteStore::check(const CheckOptions& options) { return Check(*this, options).run(); }

CheckReport Check::run() {
  {
    Read read(store_);
    store_.check_moved();
  }
  part(&Check::count);
  part(&Check::database);
  part(&Check::settings);
  part(&Check::fence);
  part(&Check::rows);
  part(&Check::tag_rows);
  part(&Check::totals);
  part(&Check::leftovers);
  part(&Check::files);
  if (!to_confirm_.empty() && fix_) part(&Check::look_at_database_again);
  total_ = std::max(total_, done_);
  progress(total_ - done_);
  return std::move(report_);
}

void Check::count() {
  Read read(store_);
  report_.records = first_number(*read, "SELECT count(*) FROM records WHERE space IN (1, 2)");
  entries_ = first_number(*read, "SELECT count(*) FROM entries");
  total_ = 2 * entries_ + first_number(*read, "SELECT count(*) FROM entries WHERE file IS NOT NULL") +
           first_number(*read, "SELECT count(*) FROM tags");
}

void Check::database() {
  Findings found;
  {
    Read read(store_);
    found = findings_of(*read);
  }
  if (!found.structure.empty()) {
    add(Kind::database,
        "the database is damaged: " + summary(found.structure) + "; nothing in it was changed: " + kGiveUp);
    believable_ = false;
    fix_ = false;
  }
  if (!found.rows.empty()) {
    to_confirm_.push_back(add(Kind::database, "the database is damaged: " + summary(found.rows)));
  }
  if (!found.indexes.empty()) {
    believable_ = false;
    to_confirm_.push_back(add(Kind::index, "an index does not fit its table: " + summary(found.indexes)));
    mend_indexes();
  }
  progress(entries_);
}

/// The one long write transaction of a check.
void Check::mend_indexes() {
  if (!fix_) return;
  try {
    Write write(store_, store_.deadline_from_now());
    write.changing();
    store_.mark_all();
    const int code = sqlite3_exec(write->handle(), "REINDEX", nullptr, nullptr, nullptr);
    if ((code & 0xFF) == SQLITE_CONSTRAINT) {
      // A key whose entry in the index was lost was then stored a second time. The newest value counts.
      const ForgivingIndexes forgiving(*write);
      write->execute(
          "DELETE FROM entries WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER "
          "(PARTITION BY key ORDER BY stored DESC, id DESC) AS place FROM entries NOT INDEXED) WHERE place > "
          "1)",
          "remove values that were replaced");
      write->execute("REINDEX", "make the indexes anew");
    } else if (code != SQLITE_OK) {
      write->fail(code, "make the indexes anew");
    }
    write.commit();
    believable_ = true;
  } catch (const Error& error) {
    not_fixed(to_confirm_.back(), error);
    fix_ = false;
  }
}

/// After all mending: is what SQLite found wrong at first gone?
void Check::look_at_database_again() {
  Findings found;
  {
    Read read(store_);
    found = findings_of(*read);
  }
  for (const std::size_t problem : to_confirm_) {
    if (found.none()) {
      fixed(problem);
    } else {
      report_.problems[problem].text += "; not mended: " + std::string(kGiveUp);
    }
  }
}

void Check::settings() {
  const auto damage = [](Connection& connection) -> std::optional<std::string> {
    try {
      static_cast<void>(SqliteStore::read_settings(connection));
      return std::nullopt;
    } catch (const Corrupt& error) {
      return error.what();
    }
  };
  std::optional<std::string> found;
  {
    Read read(store_);
    found = damage(*read);
  }
  if (!found) return;
  const std::size_t problem = add(Kind::settings, *found);
  if (!fix_) return;
  try {
    Write write(store_, store_.deadline_from_now());
    if (damage(*write)) {
      write.changing();
      write->execute("DELETE FROM meta WHERE name = 'settings'", "forget damaged settings");
      store_.settings_version_.reset();
      write.commit();
    }
    report_.problems[problem].text += " (they are the default ones now)";
    fixed(problem);
  } catch (const Error& error) {
    not_fixed(problem, error);
  }
}

void Check::fence() {
  Read read(store_);
  try {
    static_cast<void>(next_fence(*read));
  } catch (const Corrupt& error) {
    add(Kind::fence, error.what());
  }
}

void Check::totals() {
  Totals found;
  {
    Read read(store_);
    found = totals_of(*read);
  }
  if (found.equal()) return;
  const std::size_t problem =
      add(Kind::total, "value files have " + std::to_string(found.counted) + " bytes, but '" +
                           escape(found.stored, 40) + "' was stored as their total");
  if (!fix_) return;
  try {
    Write write(store_, store_.deadline_from_now());
    found = totals_of(*write);
    const std::string counted = std::to_string(found.counted);
    write.changing();
    {
      Statement put = write->use(Sql::meta_put);
      write->run(put.bind_text(1, "file_bytes").bind(2, counted), "count the bytes of files");
    }
    write.commit();
    fixed(problem);
  } catch (const Error& error) {
    not_fixed(problem, error);
  }
}

std::size_t Check::add(Kind kind, std::string text, std::optional<std::string> key) {
  report_.problems.push_back({.kind = kind, .key = std::move(key), .text = std::move(text)});
  return report_.problems.size() - 1;
}

void Check::foreign(const std::filesystem::path& path) {
  add(Kind::foreign, escape(path.native()) + " is no file of this cache; it was left as it is");
}

void Check::not_fixed(std::size_t problem, const Error& error) {
  report_.problems[problem].text += std::string("; not mended: ") + error.what();
  if (dynamic_cast<const Timeout*>(&error) != nullptr || dynamic_cast<const Full*>(&error) != nullptr ||
      dynamic_cast<const ReadOnly*>(&error) != nullptr || dynamic_cast<const Corrupt*>(&error) != nullptr) {
    fix_ = false;
  }
}

void Check::part(void (Check::*what)()) {
  try {
    (this->*what)();
  } catch (const Corrupt& error) {
    add(Kind::database, error.what());
    believable_ = false;
    fix_ = false;
  }
}

void Check::progress(std::uint64_t steps) {
  done_ += steps;
  if (options_.on_progress) options_.on_progress(done_, std::max(total_, done_));
}

}  // namespace dcache::store::sqlite
