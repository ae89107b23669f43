// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/database.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "board/board.hpp"
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "platform/process.hpp"
#include "store/sqlite/errors.hpp"
#include "store/sqlite/query.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::size_t kHeaderBytes = 100;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw NotACache(platform::in_quotes(path) + " " + why + "; it was left as it is: choose another directory");
}

[[noreturn]] void refuse_newer(const std::string& path, std::int64_t version) {
  refuse(path, "has the format " + std::to_string(version) + " of a newer dcache (this one knows " +
                   std::to_string(kSchemaVersion) + "): upgrade this program");
}

std::uint32_t big_endian(std::span<const unsigned char> bytes) noexcept {
  return (std::uint32_t{bytes[0]} << 24) | (std::uint32_t{bytes[1]} << 16) | (std::uint32_t{bytes[2]} << 8) |
         bytes[3];
}

/// The start of the file, read through SQLite's own file layer: nothing but that layer may open a database
/// (closing any other descriptor would drop SQLite's locks in this process), and a connection would already
/// make side files or roll back a journal beside a foreign database.
class HeaderFile {
 public:
  explicit HeaderFile(const std::string& path) {
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    name_ = sqlite3_create_filename(path.c_str(), "", "", 0, nullptr);
    memory_ = std::make_unique<unsigned char[]>(static_cast<std::size_t>(vfs->szOsFile));
    file_ = reinterpret_cast<sqlite3_file*>(memory_.get());
    code_ = vfs->xOpen(vfs, name_, file_, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, nullptr);
  }
  HeaderFile(const HeaderFile&) = delete;
  HeaderFile& operator=(const HeaderFile&) = delete;
  ~HeaderFile() {
    if (file_->pMethods != nullptr) file_->pMethods->xClose(file_);
    sqlite3_free_filename(name_);
  }

  int read(std::array<unsigned char, kHeaderBytes>& out) {
    if (code_ != SQLITE_OK) return code_;
    return file_->pMethods->xRead(file_, out.data(), static_cast<int>(out.size()), 0);
  }

 private:
  sqlite3_filename name_;
  std::unique_ptr<unsigned char[]> memory_;
  sqlite3_file* file_;
  int code_;
};

using Header = std::array<unsigned char, kHeaderBytes>;

Header read_header(const std::string& path) {
  Header header{};
  const int code = HeaderFile(path).read(header);
  if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
    throw_code(code, nullptr, path, "read the database");
  return header;
}

bool is_database(const Header& header) noexcept {
  return std::memcmp(header.data(), "SQLite format 3", 16) == 0;
}

std::uint32_t application_of(const Header& header) noexcept {
  return big_endian(std::span(header).subspan(68));
}

std::uint32_t version_of(const Header& header) noexcept { return big_endian(std::span(header).subspan(60)); }

/// Throws NotACache if the file is something else than a cache or the beginning of one.
void check_header(const std::string& path) {
  const Header header = read_header(path);
  // Pages are written when the transaction that makes the tables commits, so an untouched file is empty.
  // After a power loss in the middle of that, a journal says so.
  const bool interrupted = platform::file_info(path + "-journal").type == platform::FileType::regular;
  if (interrupted && header == Header{}) return;
  if (!is_database(header)) refuse(path, "is not a database");
  if (application_of(header) == kBackupId) refuse(path, "is a backup of a cache, not a cache: restore it");
  if (application_of(header) != kApplicationId) refuse(path, "is a database of another program, not a cache");
  if (version_of(header) > kSchemaVersion) refuse_newer(path, version_of(header));
}

std::int64_t pragma_number(Connection& connection, const std::string& name) {
  Query query(connection, ("PRAGMA " + name).c_str(), "read the database's header");
  return query.next() ? query->number(0) : 0;
}

std::string pragma_text(Connection& connection, const char* text) {
  Query query(connection, text, "read the database's tables");
  return query.next() ? std::string(query->bytes(0)) : std::string();
}

/// The statements that made the tables, as SQLite remembers them: without the final semicolons. Sorted, as
/// VACUUM changes their order.
std::string expected_tables() {
  std::vector<std::string_view> all;
  std::string_view left = kSchema;
  for (std::size_t end = left.find(';'); end != std::string_view::npos; end = left.find(';')) {
    std::string_view one = left.substr(0, end);
    one.remove_prefix(std::min(one.find_first_not_of('\n'), one.size()));
    all.push_back(one);
    left.remove_prefix(end + 1);
  }
  std::sort(all.begin(), all.end());
  std::string text;
  for (const std::string_view one : all) text.append(one).append(1, '\n');
  return text;
}

/// Whether the tables are there. Throws if they are others than ours.
bool check_tables(Connection& connection) {
  std::int64_t application = pragma_number(connection, "application_id");
  std::int64_t version = pragma_number(connection, "user_version");
  if (application == 0 && version == 0 && pragma_number(connection, "schema_version") == 0) return false;
  if (application != kApplicationId) {
    // Another process may have made the tables between one look and the next; now all of it is there.
    application = pragma_number(connection, "application_id");
    version = pragma_number(connection, "user_version");
  }
  if (application != kApplicationId)
    refuse(connection.path(), "is a database of another program, not a cache");
  if (version > kSchemaVersion) refuse_newer(connection.path(), version);
  // Never destroyed: a cache may be opened by the destructors of static objects.
  static const auto* const expected = new std::string(expected_tables());
  const std::string found =
      pragma_text(connection,
                  "SELECT group_concat(sql || char(10), '') FROM (SELECT sql FROM sqlite_schema "
                  "WHERE sql IS NOT NULL ORDER BY sql)");
  if (found != *expected) refuse(connection.path(), "has other tables than a cache of this version");
  return true;
}

}  // namespace

/// In one transaction, while the database still has a rollback journal: the header then
/// tells what the file is as soon as it is anything.
void make_tables(Connection& connection, const std::filesystem::path& directory, MakeLayout layout) {
  connection.execute("BEGIN EXCLUSIVE", "make the tables");
  try {
    if (!check_tables(connection)) {
      connection.execute(kSchema, "make the tables");
      connection.execute(("PRAGMA application_id=" + std::to_string(kApplicationId)).c_str(),
                         "make the tables");
      connection.execute(("PRAGMA user_version=" + std::to_string(kSchemaVersion)).c_str(),
                         "make the tables");
      const std::string uuid = platform::random_id();
      const std::string meta = "INSERT INTO meta VALUES('uuid', CAST('" + uuid +
                               "' AS BLOB)), ('created', CAST('" +
                               std::to_string(platform::now().unix_nanoseconds()) + "' AS BLOB))";
      connection.execute(meta.c_str(), "make the tables");
      // Nobody else knows the name yet.
      board::Board(directory, uuid, [] { return true; }).make_first();
      if (const std::string text = layout(); !text.empty()) {
        Query add(connection, "INSERT INTO records VALUES(?1, x'', ?2)", "make the tables");
        add->bind(1, static_cast<std::int64_t>(Space::layout)).bind(2, std::string_view(text));
        add.next();
      }
    }
    connection.execute("COMMIT", "make the tables");
  } catch (...) {
    if (connection.in_transaction()) connection.execute("ROLLBACK", "give up making the tables");
    throw;
  }
}

void check_backup_header(const std::string& path) {
  const Header header = read_header(path);
  const std::string mend = "; nothing was made: choose a file that a backup has written";
  if (!is_database(header) ||
      (application_of(header) != kBackupId && application_of(header) != kApplicationId))
    throw NotACache(platform::in_quotes(path) + " is not a backup of a cache" + mend);
  if (application_of(header) == kApplicationId)
    throw NotACache(platform::in_quotes(path) + " is the database of a cache, not a backup of one" + mend);
  if (version_of(header) > kSchemaVersion) {
    throw NotACache(platform::in_quotes(path) + " has the format " + std::to_string(version_of(header)) +
                    " of a newer dcache (this one knows " + std::to_string(kSchemaVersion) +
                    "); nothing was made: upgrade this program");
  }
}

std::unique_ptr<Connection> open_database(const platform::Directory& directory, const Options& options,
                                          Deadline deadline, MakeLayout layout) {
  const std::filesystem::path path = directory.path / "cache.db";
  platform::FileInfo info = platform::file_info(path);
  if (info.type == platform::FileType::missing) {
    if (options.create == Create::never) {
      throw NotACache("there is no cache in " + platform::in_quotes(directory.path.native()) +
                      ": it has no cache.db");
    }
    platform::create_file(path);
    info = platform::file_info(path);
  }
  if (info.type == platform::FileType::symlink) {
    throw Unsupported(platform::in_quotes(path.native()) +
                      " is a symbolic link; a cache's files must be real: remove the link, or "
                      "open the directory that it leads to");
  }
  if (info.type != platform::FileType::regular) refuse(path.native(), "is not a regular file");
  if (info.size > 0) check_header(path.native());

  auto connection = std::make_unique<Connection>(path.native(), Connection::Role::reader, options, deadline);
  if (!check_tables(*connection)) {
    if (options.create == Create::never) {
      throw NotACache("there is no cache in " + platform::in_quotes(directory.path.native()) +
                      ": its cache.db is empty");
    }
    make_tables(*connection, directory.path, layout);
  }
  if (pragma_text(*connection, "PRAGMA journal_mode") != "wal") {
    for (Retry retry(deadline); pragma_text(*connection, "PRAGMA journal_mode=WAL") != "wal";) {
      if (!retry.pause())
        throw Timeout("cannot switch " + platform::in_quotes(path.native()) + " to WAL: others kept it busy");
    }
    static_cast<void>(check_tables(*connection));  // the first read makes the log's files
  }
  return connection;
}

}  // namespace dcache::store::sqlite

namespace dcache::store {

bool is_sqlite_file(const std::filesystem::path& file) {
  return sqlite::is_database(sqlite::read_header(file.native()));
}

}  // namespace dcache::store
