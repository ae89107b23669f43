// SPDX-License-Identifier: Apache-2.0
//
// The rows of `entries` and `tags`.
#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "dcache/bytes.hpp"
#include "platform/process.hpp"
#include "store/sqlite/check.hpp"
#include "store/sqlite/errors.hpp"
#include "store/sqlite/row.hpp"
#include "store/sqlite/value_row.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::int64_t kRowsAPage = 1000;
constexpr std::size_t kBytesAPage = std::size_t{8} << 20;
/// Rows mended in one write transaction.
constexpr std::size_t kMendsAStep = 200;

constexpr std::int64_t kFirstId = std::numeric_limits<std::int64_t>::min();

/// Whether the columns have the types that the tables say. Damage can turn one into another that reads alike.
bool types_are_right(const Statement& row) {
  constexpr std::array kTypes{SQLITE_INTEGER, SQLITE_INTEGER, SQLITE_INTEGER, SQLITE_INTEGER,
                              SQLITE_BLOB,    SQLITE_BLOB,    SQLITE_BLOB,    SQLITE_BLOB};
  constexpr std::array kMayBeNull{false, true, false, false, true, true, true, false};
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    const int type = row.type(static_cast<int>(i));
    if (type != kTypes[i] && !(kMayBeNull[i] && type == SQLITE_NULL)) return false;
  }
  return true;
}

/// What is wrong with a row by itself; null if nothing. If its value is in a file that was not looked at.
const char* damage_of(const Statement& row) {
  if (!types_are_right(row)) return "its row is damaged";
  const RowHead head = head_of(row, row.bytes(kKeyColumn));
  if (head.format < 0 || head.format > static_cast<std::int64_t>(Format::json))
    return "its format is unknown";
  if (!unpack_tags(head.tags)) return "its tags cannot be read";
  if (row.is_null(kValueColumn) == head.file.empty()) return "it has no value";
  if (!head.file.empty()) return FileRef::unpack(head.file) ? nullptr : "its row names no valid file";
  return hash_of(row.bytes(kValueColumn)) == expected_hash(row, head) ? nullptr
                                                                      : "its checksum does not match";
}

/// Tells two states of a row apart.
std::uint64_t fingerprint_of(const Statement& row) {
  std::string all;
  for (int column = 0; column <= kKeyColumn; ++column) {
    all += static_cast<char>(row.type(column));
    const std::string_view bytes = row.bytes(column);
    const std::uint64_t hash = hash_of(bytes);
    all.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  }
  return hash_of(all);
}

bool has_tag(std::string_view packed, std::string_view tag) {
  const std::optional<std::vector<std::string>> tags = unpack_tags(packed);
  // Damaged tags are reported with their value.
  return !tags || std::find(tags->begin(), tags->end(), tag) != tags->end();
}

std::vector<std::string> without_rows(Connection& connection, std::int64_t id, std::string_view packed) {
  std::vector<std::string> missing;
  for (std::string& tag : unpack_tags(packed).value_or(std::vector<std::string>{})) {
    Statement there = connection.use(Sql::tag_there);
    there.bind(1, std::string_view(tag)).bind(2, id);
    if (!connection.step(there, "look for a tag")) missing.push_back(std::move(tag));
  }
  return missing;
}

std::string named(std::string_view bytes) { return std::string("'").append(escape(bytes, 200)).append("'"); }

}  // namespace

void Check::rows() {
  std::int64_t after = kFirstId;
  std::vector<BadRow> to_mend;
  for (bool more = true; more;) {
    const std::uint64_t before = report_.entries;
    std::vector<Suspect> suspects;
    more = page_of_rows(after, suspects);
    for (const Suspect& suspect : suspects) {
      std::optional<BadRow> row = look_again(suspect);
      if (!row) continue;
      if (row->why.empty()) {
        row->problem = add(Kind::tag,
                           "the value of key " + named(row->key) + " is not listed under its tag " +
                               named(row->missing_tags.front()),
                           row->key);
      } else {
        row->problem = add(
            Kind::value, "the value of key " + named(row->key) + " is damaged (" + row->why + ")", row->key);
      }
      if (!fix_ || !suspect.readable) continue;
      try {
        if (!row->why.empty()) set_aside(*row);
        to_mend.push_back(*std::move(row));
      } catch (const Error& error) {
        not_fixed(row->problem, error);
      }
      if (to_mend.size() == kMendsAStep) mend(to_mend);
    }
    progress(report_.entries - before);
  }
  mend(to_mend);
}

/// Judges the rows behind `after`, which it moves on, and notes those that seem wrong. Whether there are
/// more.
bool Check::page_of_rows(std::int64_t& after, std::vector<Suspect>& suspects) {
  std::vector<FileToRead> files;
  bool more = false;
  {
    Read read(store_);
    Statement row = read->use(Sql::page_up);
    row.bind(1, after).bind(2, kRowsAPage).bind(3, std::numeric_limits<std::int64_t>::max());
    std::int64_t rows = 0;
    std::size_t bytes = 0;
    for (; bytes < kBytesAPage && read->step(row, "read values"); ++rows) {
      const std::int64_t id = row.number(kIdColumn);
      if (id <= after) throw_out_of_order(read->path());
      after = id;
      const bool damaged = damage_of(row) != nullptr;
      const RowHead head = head_of(row, row.bytes(kKeyColumn));
      const bool lacks_tags = !damaged && !without_rows(*read, id, head.tags).empty();
      if (!damaged && !head.file.empty()) {
        files.push_back({id, *FileRef::unpack(head.file), expected_hash(row, head), lacks_tags});
      } else if (damaged || lacks_tags) {
        suspects.push_back({.id = id});
      }
      bytes += row.bytes(kValueColumn).size();
    }
    more = rows == kRowsAPage || bytes >= kBytesAPage;
    report_.entries += static_cast<std::uint64_t>(rows);
  }
  for (const FileToRead& value : files) read_file(value, suspects);
  return more;
}

void Check::read_file(const FileToRead& value, std::vector<Suspect>& suspects) {
  Suspect suspect{.id = value.id, .file = value.file};
  const auto type = platform::file_info(store_.files_.path(value.file)).type;
  try {
    platform::File file;
    if (type != platform::FileType::regular && type != platform::FileType::missing) {
      suspect.why = "its file is not a regular file";
    } else if (!store_.files_.open(value.file, file)) {
      suspect.why = "its file is gone";
    } else if (ValueFiles::read(file, [](std::string_view) {}) != value.hash) {
      suspect.why = "the checksum of its file does not match";
    }
  } catch (const Corrupt&) {
    suspect.why = "its file has another size";
  } catch (const Error& error) {
    suspect.why = error.what();
    suspect.readable = false;
  }
  // Only tags of a row that is right by its checksum can be believed.
  if (!suspect.why.empty()) {
    suspects.push_back(std::move(suspect));
  } else if (value.lacks_tags) {
    suspects.push_back({.id = value.id});
  }
  progress(1);
}

/// The row as it is now, if it is wrong. A file that was found wrong is wrong if the row still refers to it:
/// a name is never used again, so the row has done so all the time.
std::optional<Check::BadRow> Check::look_again(const Suspect& suspect) {
  BadRow bad{.id = suspect.id};
  Read read(store_);
  Statement row = read->use(Sql::entry_by_id);
  if (!read->step(row.bind(1, suspect.id), "read a value again")) return std::nullopt;
  bad.fingerprint = fingerprint_of(row);
  const char* const damage = damage_of(row);
  const RowHead head = head_of(row, row.bytes(kKeyColumn));
  bad.key = head.key;
  bad.file = FileRef::unpack(head.file);
  if (damage != nullptr) {
    bad.why = damage;
    bad.value = row.bytes(kValueColumn);
  } else if (suspect.file && bad.file == suspect.file) {
    bad.why = suspect.why;
  } else {
    bad.missing_tags = without_rows(*read, suspect.id, head.tags);
    if (bad.missing_tags.empty()) return std::nullopt;
  }
  // A failure to get memory looks like an empty column: no reason to remove anything.
  if ((sqlite3_errcode(read->handle()) & 0xFF) == SQLITE_NOMEM) throw std::bad_alloc();
  return bad;
}

/// Keeps what is left of a damaged value, for people to look at.
void Check::set_aside(BadRow& row) {
  const std::filesystem::path base = store_.directory_.path;
  platform::make_directories(base, "damaged");
  const std::filesystem::path path = base / "damaged" / platform::random_id();
  std::string text = "A damaged value of a dcache cache, set aside by a check.\nkey: " + escape(row.key) +
                     "\ndamage: " + row.why + "\n";
  try {
    if (row.file) {
      const std::filesystem::path from = store_.files_.path(*row.file);
      const std::filesystem::path to = path.native() + ".file";
      if (platform::file_info(from).type == platform::FileType::regular && platform::link_file(from, to)) {
        row.copies.push_back(to);
        text += "its value file: " + to.filename().native() + "\n";
      }
    }
    text += "bytes in its row: " + std::to_string(row.value.size()) + ", after the next empty line\n\n";
    platform::File file;
    if (!file.create(path)) throw IoError("cannot make " + platform::errno_text(path, ENOENT));
    row.copies.push_back(path);
    file.write(text);
    file.write(row.value);
  } catch (...) {
    for (const std::filesystem::path& copy : row.copies) platform::remove_file(copy);
    throw;
  }
  row.value.clear();
}

void Check::mend(std::vector<BadRow>& rows) {
  if (rows.empty()) return;
  std::vector<const BadRow*> changed;
  try {
    Write write(store_, store_.deadline_from_now());
    write.changing();
    for (const BadRow& row : rows) {
      if (!mend_row(store_, *write, row)) changed.push_back(&row);
    }
    write.commit();
    for (const BadRow& row : rows) {
      if (!row.why.empty()) report_.problems[row.problem].text += "; it was removed";
      fixed(row.problem);
    }
  } catch (const Error& error) {
    changed.clear();
    for (const BadRow& row : rows) {
      changed.push_back(&row);
      not_fixed(row.problem, error);
    }
  }
  for (const BadRow* row : changed) {
    for (const std::filesystem::path& copy : row->copies) platform::remove_file(copy);
  }
  rows.clear();
}

/// False if the row is another one by now, and thus no longer the damaged one.
bool Check::mend_row(SqliteStore& store, Connection& connection, const BadRow& row) {
  SqliteStore::Found found{.key = row.key, .id = row.id, .live = true, .tags = {}, .file = {}};
  {
    Statement now = connection.use(Sql::entry_by_id);
    if (!connection.step(now.bind(1, row.id), "read a value again")) return false;
    if (row.why.empty()) {
      for (const std::string& tag : without_rows(connection, row.id, head_of(now, {}).tags)) {
        Statement insert = connection.use(Sql::tag_insert);
        connection.run(insert.bind(1, std::string_view(tag)).bind(2, row.id), "store a tag");
      }
      return true;
    }
    if (fingerprint_of(now) != row.fingerprint) return false;
    const RowHead head = head_of(now, {});
    found.tags = head.tags;
    found.file = head.file;
  }
  store.erase_row(connection, found);
  return true;
}

void Check::tag_rows() {
  BadTag at{.tag = {}, .id = kFirstId};
  std::vector<BadTag> to_mend;
  for (std::int64_t rows = kRowsAPage; rows == kRowsAPage;) {
    rows = 0;
    std::vector<std::pair<BadTag, std::string>> found;
    {
      Read read(store_);
      Statement row = read->use(Sql::tags_up);
      // Bound bytes are not copied, and the position moves while rows are read.
      const std::string from = at.tag;
      row.bind(1, std::string_view(from)).bind(2, at.id).bind(3, kRowsAPage);
      for (; read->step(row, "read tags"); ++rows) {
        const std::string_view tag = row.bytes(0);
        const std::int64_t id = row.number(1);
        if (tag < at.tag || (tag == at.tag && id <= at.id)) throw_out_of_order(read->path());
        at = {.tag = std::string(tag), .id = id};
        Statement entry = read->use(Sql::tags_of);
        const bool there = read->step(entry.bind(1, id), "look for a tag's value");
        if (there && has_tag(entry.bytes(0), tag)) continue;
        found.emplace_back(at, "the list of the tag " + named(tag) +
                                   (there ? " has the value of key " + named(entry.bytes(1)) +
                                                ", which does not carry that tag"
                                          : std::string(" has a value that does not exist")));
      }
    }
    report_.tag_rows += static_cast<std::uint64_t>(rows);
    for (auto& [bad, text] : found) {
      bad.problem = add(Kind::tag, std::move(text));
      if (fix_) to_mend.push_back(std::move(bad));
      if (to_mend.size() == kMendsAStep) mend(to_mend);
    }
    progress(static_cast<std::uint64_t>(rows));
  }
  mend(to_mend);
}

void Check::mend(std::vector<BadTag>& rows) {
  if (rows.empty()) return;
  try {
    Write write(store_, store_.deadline_from_now());
    write.changing();
    for (const BadTag& row : rows) {
      const std::string_view tag = row.tag;
      {
        Statement entry = write->use(Sql::tags_of);
        if (write->step(entry.bind(1, row.id), "look for a tag's value") && has_tag(entry.bytes(0), tag))
          continue;
      }
      Statement erase = write->use(Sql::tag_erase);
      write->run(erase.bind(1, tag).bind(2, row.id), "remove a tag");
    }
    write.commit();
    for (const BadTag& row : rows) fixed(row.problem);
  } catch (const Error& error) {
    for (const BadTag& row : rows) not_fixed(row.problem, error);
  }
  rows.clear();
}

}  // namespace dcache::store::sqlite
