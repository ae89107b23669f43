// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/backup.hpp"

#include <limits>
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "store/backup_file.hpp"
#include "store/sqlite/errors.hpp"
#include "store/sqlite/fences.hpp"
#include "store/sqlite/query.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_row.hpp"
#include "store/sqlite/watched.hpp"

namespace dcache::store::sqlite {

namespace {

namespace fs = std::filesystem;

/// The hash of a value file's parts. Throws Corrupt if they are not as many bytes as its row says.
std::uint64_t hash_of_parts(Connection& backup, const RowHead& head, const FileRef& file,
                            const std::string& path) {
  RunningHash hash;
  std::uint64_t size = 0;
  Statement parts = backup.use(Sql::parts_of);
  parts.bind(1, head.file);
  while (backup.step(parts, "read a value")) {
    hash.add(parts.bytes(0));
    size += parts.bytes(0).size();
  }
  if (size != file.size) throw_damaged(head.key, path, "its file has another size");
  return hash.value();
}

/// How many tags the row has; all of them must lead to it.
std::int64_t verified_tags(Connection& backup, const RowHead& head, std::int64_t id,
                           const std::string& path) {
  const auto tags = unpack_tags(head.tags);
  if (!tags) throw_damaged(head.key, path, "its tags cannot be read");
  for (const std::string& tag : *tags) {
    Statement there = backup.use(Sql::tag_there);
    if (!backup.step(there.bind(1, std::string_view(tag)).bind(2, id), "look for a tag"))
      throw_damaged(head.key, path, "the list of a tag lacks it");
  }
  return std::ssize(*tags);
}

[[noreturn]] void throw_database_damaged(const std::string& path, std::string_view why) {
  throw Corrupt("the database of '" + escape(path) + "' is damaged (" + escape(why, 200) +
                "); a check tells more, and may mend it");
}

void verify_structure(Connection& backup, const std::string& path) {
  Query check(backup, "PRAGMA integrity_check(1)", "look for damage");
  if (check.next() && check->bytes(0) != "ok") throw_database_damaged(path, check->bytes(0));
}

}  // namespace

void make_backup_tables(Connection& backup) {
  constexpr const char* kDoing = "make the tables of a backup";
  backup.execute(kSchema, kDoing);
  backup.execute(kPartsSchema, kDoing);
  backup.execute(("PRAGMA application_id=" + std::to_string(kBackupId)).c_str(), kDoing);
  backup.execute(("PRAGMA user_version=" + std::to_string(kSchemaVersion)).c_str(), kDoing);
}

void verify_backup(Connection& backup, const std::string& shown,
                   const std::function<void(std::uint64_t)>& on_bytes) {
  Watched watched(backup, [] {});
  std::uint64_t bytes = 0;
  std::int64_t tags = 0;
  verify_structure(backup, shown);
  static_cast<void>(read_fences(backup));
  constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();
  Statement row = backup.use(Sql::page_up);
  row.bind(1, -kAll).bind(2, kAll).bind(3, kAll);
  while (backup.step(row, "read a value")) {
    const RowHead head = head_of(row, row.bytes(kKeyColumn));
    if (const std::optional<FileRef> file = file_of(head, shown)) {
      if (hash_of_parts(backup, head, *file, shown) != expected_hash(row, head))
        throw_damaged(head.key, shown, "the checksum of its file does not match");
      bytes += file->size;
    } else {
      bytes += verified_value(row, head, shown).size();
    }
    tags += verified_tags(backup, head, row.number(kIdColumn), shown);
    on_bytes(bytes);
  }
  Query count(backup, "SELECT count(*) FROM tags", "count the tags");
  if (count.next() && count->number(0) != tags) throw_database_damaged(shown, "a tag leads nowhere");
}

/// Copies the rows as they are at one moment into an empty backup. The only part that keeps a snapshot open.
void SqliteStore::copy_rows(const fs::path& to, const OnProgress& on_progress, std::uint64_t total) {
  constexpr const char* kDoing = "copy the values";
  Connection from(database_path(), Connection::Role::reader, options_, deadline_from_now());
  {
    Query attach(from, "ATTACH ?1 AS copy", kDoing);
    attach->bind_text(1, to.native());
    attach.next();
  }
  Watched watched(from, [&] {
    if (on_progress) on_progress(std::min(platform::file_info(to).size, total / 2), total);
  });
  watched.run([&] {
    for (const char* sql :
         {"PRAGMA copy.journal_mode=MEMORY", "PRAGMA copy.synchronous=OFF", "BEGIN",
          "INSERT INTO copy.entries SELECT * FROM main.entries",
          "INSERT INTO copy.tags SELECT * FROM main.tags",
          // Of the records only the fences' counter: a lock is of processes that know nothing of a copy.
          "INSERT INTO copy.records SELECT * FROM main.records WHERE space = 0",
          "INSERT INTO copy.meta SELECT * FROM main.meta WHERE name IN ('settings', 'file_bytes')",
          "COMMIT"}) {
      from.execute(sql, kDoing);
    }
  });
}

void SqliteStore::copy_files(Connection& to, const OnProgress& on_progress, std::uint64_t total) {
  to.execute("BEGIN", "copy value files");
  {
    Query row(to, "SELECT key, file FROM entries WHERE file IS NOT NULL ORDER BY id", "list value files");
    while (row.next()) {
      RowHead head;
      head.key = row->bytes(0);
      head.file = row->bytes(1);
      const std::optional<FileRef> ref = file_of(head, database_path());
      platform::File file;
      if (!files_.open(*ref, file))
        throw_damaged(head.key, database_path(), "its file '" + ref->hex() + "' is gone");
      static_cast<void>(ValueFiles::read(file, [&](std::string_view bytes) {
        Statement add = to.use(Sql::part_add);
        to.run(add.bind(1, head.file).bind(2, bytes), "copy a value file");
        if (on_progress) on_progress(std::min(platform::file_info(to.path()).size, total / 2), total);
      }));
    }
  }
  to.execute("COMMIT", "copy value files");
}

void SqliteStore::backup(const fs::path& file, const BackupOptions& options) {
  check_moved();
  const fs::path place = checked_place(file, options.overwrite);
  {
    const InUse using_connections(in_use_);
    const ValueFiles::Hold hold(files_, session());
    const std::uint64_t bytes_to_copy = std::max<std::uint64_t>(bytes(), 1);
    const std::uint64_t total = 2 * bytes_to_copy;
    try {
      Temporary temporary(place);
      const std::string path = temporary.path().native();
      {
        Connection copy(path, Connection::Role::reader, options_, deadline_from_now());
        copy.execute("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF", "set up a backup");
        make_backup_tables(copy);
      }
      copy_rows(temporary.path(), options.on_progress, total);
      {
        Connection copy(path, Connection::Role::reader, options_, deadline_from_now());
        copy.execute("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF", "set up a backup");
        copy_files(copy, options.on_progress, total);
        verify_backup(copy, database_path(), [&](std::uint64_t done) {
          if (options.on_progress) options.on_progress(bytes_to_copy + std::min(done, bytes_to_copy), total);
        });
      }
      temporary.place(place, options.overwrite);
      if (options.on_progress) options.on_progress(total, total);
    } catch (const Full&) {
      throw_no_room_for_backup(file);
    }
  }
  try {
    sweep_files();  // what was held meanwhile
  } catch (const Error&) {
    // The next one does it.
  }
}

}  // namespace dcache::store::sqlite
