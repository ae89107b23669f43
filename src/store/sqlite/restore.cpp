// SPDX-License-Identifier: Apache-2.0
//
// Making a cache from a backup. It is made in a directory inside the cache's own, out of everybody's sight,
// and moved to its place when it is complete, the database last.
#include <algorithm>
#include <memory>

#include "dcache/error.hpp"
#include "platform/file.hpp"
#include "platform/fork.hpp"
#include "platform/process.hpp"
#include "store/backup_file.hpp"
#include "store/deadline.hpp"
#include "store/engines.hpp"
#include "store/sqlite/backup.hpp"
#include "store/sqlite/database.hpp"
#include "store/sqlite/fences.hpp"
#include "store/sqlite/query.hpp"
#include "store/sqlite/value_files.hpp"
#include "store/sqlite/watched.hpp"

namespace dcache::store {

namespace {

namespace fs = std::filesystem;
using namespace sqlite;  // NOLINT(google-build-using-namespace): this file is a part of it

/// The directory of the new cache while it is being made. Unless it is finished, nothing of it remains.
class Site {
 public:
  Site(const fs::path& directory, const Options& options)
      : existed_(platform::file_info(directory).type != platform::FileType::missing),
        directory_(platform::open_directory(directory, options)),
        site_(directory_.path / ("restoring-" + platform::random_id())) {
    try {
      refuse_what_is_there();
      platform::make_directories(directory_.path, site_.filename());
    } catch (...) {
      clean();
      throw;
    }
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  ~Site() { clean(); }

  [[nodiscard]] const fs::path& path() const noexcept { return site_; }

  void finish() {
    platform::sync_file_system(site_);
    const bool has_values = platform::file_info(site_ / "values").type != platform::FileType::missing;
    if (has_values && !platform::rename_new(site_ / "values", directory_.path / "values")) refuse("values");
    // A hint, as good as none: without it the first writer makes one.
    static_cast<void>(platform::rename_file(site_ / "board", directory_.path / "board"));
    if (!platform::rename_new(site_ / "cache.db", directory_.path / "cache.db")) {
      // Somebody made a cache here in the meantime, and our values are not its.
      if (has_values) static_cast<void>(platform::rename_file(directory_.path / "values", site_ / "values"));
      refuse("cache.db");
    }
    platform::sync_directory(directory_.path);
    existed_ = true;
  }

 private:
  /// A log that was left behind would be taken for the new database's.
  void refuse_what_is_there() const {
    for (const char* name : {"cache.db", "cache.db-wal", "cache.db-shm", "cache.db-journal", "values"}) {
      if (platform::file_info(directory_.path / name).type != platform::FileType::missing) refuse(name);
    }
  }
  [[noreturn]] void refuse(const char* name) const { throw_cache_is_there(directory_.path, name); }
  void clean() noexcept {
    if (fork_generation_ != platform::fork_generation()) return;
    platform::remove_tree(site_);
    if (!existed_) platform::remove_empty_directory(directory_.path);
  }

  bool existed_;
  const platform::Directory directory_;
  const fs::path site_;
  const std::uint64_t fork_generation_ = platform::fork_generation();
};

void copy_rows(Connection& cache, const std::string& from) {
  constexpr const char* kDoing = "restore the values";
  {
    Query attach(cache, "ATTACH ?1 AS backup", kDoing);
    attach->bind_text(1, from);
    attach.next();
  }
  for (const char* sql : {"BEGIN", "INSERT INTO main.entries SELECT * FROM backup.entries",
                          "INSERT INTO main.tags SELECT * FROM backup.tags",
                          "INSERT INTO main.records SELECT * FROM backup.records",
                          "INSERT INTO main.meta SELECT * FROM backup.meta"}) {
    cache.execute(sql, kDoing);
  }
  forget_boot(cache);
  cache.execute("COMMIT", kDoing);
}

void copy_file(Connection& backup, const FileRef& ref, const fs::path& site,
               const std::function<void(std::uint64_t)>& on_bytes) {
  const fs::path path = ValueFiles(site).path(ref);
  platform::make_directories(site, path.parent_path().lexically_relative(site));
  platform::File file;
  if (!file.create(path.native()))
    throw IoError("cannot make " + platform::in_quotes(path) + ": its directory is gone");
  const std::string packed = ref.packed();
  Statement parts = backup.use(Sql::parts_of);
  parts.bind(1, packed);
  while (backup.step(parts, "read a value")) {
    file.write(parts.bytes(0));
    on_bytes(parts.bytes(0).size());
  }
}

}  // namespace

void restore_sqlite(const fs::path& file, const fs::path& directory, const Options& options,
                    MakeLayout layout, const OnProgress& on_progress) {
  const fs::path from = platform::real_directory(file.parent_path()) / file.filename();
  const platform::FileInfo info = platform::file_info(from);
  if (info.type != platform::FileType::regular) {
    if (info.type == platform::FileType::missing) platform::throw_errno("cannot open", file, ENOENT);
    throw NotACache(platform::in_quotes(file) +
                    " is not a regular file, so no backup of a cache; nothing was made");
  }
  const std::uint64_t total = 2 * info.size;
  std::uint64_t done = 0;
  const auto tell = [&] {
    if (on_progress) on_progress(std::min(done, total), total);
  };
  check_backup_header(from.native());
  std::unique_ptr<Connection> backup;
  try {
    backup = std::make_unique<Connection>(from.native(), Connection::Role::reader, options,
                                          deadline_after(options.timeout));
    verify_backup(*backup, from.native(), [&](std::uint64_t bytes) {
      done = std::min(bytes, info.size);
      tell();
    });
  } catch (const Corrupt&) {
    throw_damaged_backup(file);
  }
  done = info.size;
  Site site(directory, options);
  try {
    const fs::path database = site.path() / "cache.db";
    platform::create_file(database);
    {
      Connection cache(database.native(), Connection::Role::reader, options, deadline_after(options.timeout));
      cache.execute("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF", "set up the cache");
      make_tables(cache, site.path(), layout);
      Watched watched(cache, [&] {
        done = std::max(done, info.size + platform::file_info(database).size);
        tell();
      });
      watched.run([&] { copy_rows(cache, from.native()); });
    }
    Query row(*backup, "SELECT file FROM entries WHERE file IS NOT NULL ORDER BY id", "list value files");
    while (row.next()) {
      copy_file(*backup, FileRef::unpack(row->bytes(0)).value(), site.path(), [&](std::uint64_t bytes) {
        done += bytes;
        tell();
      });
    }
    site.finish();
  } catch (const Full&) {
    throw Full("no space left to restore " + platform::in_quotes(file) + " into " +
               platform::in_quotes(directory) +
               "; nothing of it was kept: free space, or choose another directory");
  }
  done = total;
  tell();
}

}  // namespace dcache::store
