// SPDX-License-Identifier: Apache-2.0
//
// A backup of several shards is one file: a line that says so and tells the number and size of each part,
// then the parts, each of which is a backup of one shard, the first first.
#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "dcache/error.hpp"
#include "platform/file.hpp"
#include "platform/process.hpp"
#include "store/backup_file.hpp"
#include "store/engines.hpp"
#include "store/sharded/layout.hpp"
#include "store/sharded/progress.hpp"
#include "store/sharded/sharded_store.hpp"

namespace dcache::store {

namespace sharded {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kMagic = "dcache backup of shards 1:";
/// The line is as long whatever is in it.
constexpr std::size_t kLineBytes = 2048;
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

/// Moves `bytes` from one file to another; whether there were so many.
bool copy_bytes(platform::File& from, platform::File& to, std::uint64_t bytes) {
  std::string buffer(kBufferBytes, '\0');
  while (bytes > 0) {
    const std::size_t n =
        from.read(buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(bytes, buffer.size())));
    if (n == 0) return false;
    to.write(std::string_view(buffer.data(), n));
    bytes -= n;
  }
  return true;
}

std::string line_of(const std::vector<std::uint64_t>& sizes) {
  std::string line(kMagic);
  for (const std::uint64_t size : sizes) line.append(1, ' ').append(std::to_string(size));
  line.resize(kLineBytes - 1, ' ');
  return line + '\n';
}

/// The sizes of the parts; none if it is no backup of shards. Throws Corrupt.
std::vector<std::uint64_t> sizes_in(platform::File& backup, const fs::path& file) {
  std::string line(kLineBytes, '\0');
  std::size_t got = 0;
  for (std::size_t n = 1; n > 0 && got < line.size(); got += n)
    n = backup.read(line.data() + got, line.size() - got);
  if (!line.starts_with(kMagic)) return {};
  std::istringstream words(line.substr(kMagic.size()));
  std::vector<std::uint64_t> sizes;
  std::uint64_t total = got;
  for (std::uint64_t size = 0; words >> size; total += size) sizes.push_back(size);
  if (sizes.size() < 2 || sizes.size() > kMaxShards || total != backup.size()) {
    throw_damaged_backup(file);
  }
  return sizes;
}

/// A cache of several shards while it is being made. Unless it is finished, nothing of it remains.
class ManySites {
 public:
  ManySites(const fs::path& directory, const Options& options, std::size_t count)
      : existed_(platform::file_info(directory).type != platform::FileType::missing),
        directory_(platform::open_directory(directory, options).path),
        count_(count),
        parts_(directory_ / ("restoring-" + platform::random_id())) {
    for (std::size_t i = 0; i < count; ++i) {
      const fs::path name = i == 0 ? fs::path("cache.db") : fs::path(part_name(i));
      if (platform::file_info(directory_ / name).type == platform::FileType::missing) continue;
      throw_cache_is_there(directory_, name);
    }
    platform::make_directories(directory_, parts_.filename());
  }
  ManySites(const ManySites&) = delete;
  ManySites& operator=(const ManySites&) = delete;
  ~ManySites() {
    if (fork_generation_ != platform::fork_generation()) return;
    platform::remove_tree(parts_);
    if (finished_) return;
    for (std::size_t i = 1; i < count_; ++i) platform::remove_tree(directory_ / part_name(i));
    if (!existed_) platform::remove_empty_directory(directory_);
  }

  /// Where the `i`th shard is to be, and where its part of the backup is put before.
  [[nodiscard]] fs::path shard(std::size_t i) const {
    return i == 0 ? directory_ : directory_ / part_name(i);
  }
  [[nodiscard]] fs::path part(std::size_t i) const { return parts_ / part_name(i); }
  void finish() noexcept { finished_ = true; }

 private:
  const bool existed_;
  const fs::path directory_;
  const std::size_t count_;
  const fs::path parts_;
  bool finished_ = false;
  const std::uint64_t fork_generation_ = platform::fork_generation();
};

void restore_shards(platform::File& backup, const std::vector<std::uint64_t>& sizes, const fs::path& file,
                    const fs::path& directory, const Options& options, const OnProgress& on_progress) {
  ManySites sites(directory, options, sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    platform::File part;
    if (!part.create(sites.part(i).native()) || !copy_bytes(backup, part, sizes[i]))
      throw IoError(platform::in_quotes(file) + " or " + platform::in_quotes(directory) +
                    " was changed meanwhile");
  }
  Layout layout;
  // The first one last: with it there is a cache.
  for (std::size_t left = sizes.size(); left > 0; --left) {
    const std::size_t i = left == 1 ? 0 : sizes.size() - left + 1;
    const auto text = [&] { return i == 0 ? layout.text() : std::string(kPart); };
    Options of_part = options;
    if (i > 0) of_part.create = Create::directory;
    try {
      restore_sqlite(sites.part(i), sites.shard(i), of_part, text,
                     part_of_progress(on_progress, sizes.size() - left, sizes.size()));
    } catch (const Corrupt&) {
      throw_damaged_backup(file);
    }
    platform::remove_file(sites.part(i));
    if (i > 0) {
      of_part.create = Create::never;
      layout.parts.push_back(
          open_sqlite(platform::open_directory(sites.shard(i), of_part), of_part, kNoLayout)->uuid());
    }
  }
  sites.finish();
}

}  // namespace

void ShardedStore::backup(const fs::path& file, const BackupOptions& options) {
  const fs::path place = checked_place(file, options.overwrite);
  const std::size_t count = shards_.size();
  try {
    std::vector<std::unique_ptr<Temporary>> parts;
    std::vector<std::uint64_t> sizes;
    for (std::size_t i = 0; i < count; ++i) {
      parts.push_back(std::make_unique<Temporary>(place));
      shards_[i]->backup(parts[i]->path(),
                         {.overwrite = true, .on_progress = part_of_progress(options.on_progress, i, count)});
      sizes.push_back(platform::file_info(parts[i]->path()).size);
    }
    Temporary whole(place);
    platform::remove_file(whole.path());
    platform::File to;
    if (!to.create(whole.path().native())) throw IoError("cannot make " + platform::in_quotes(whole.path()));
    to.write(line_of(sizes));
    for (std::size_t i = 0; i < count; ++i) {
      platform::File from;
      if (!from.open(parts[i]->path().native()) || !copy_bytes(from, to, sizes[i]))
        throw IoError("the copy in " + platform::in_quotes(parts[i]->path()) + " was changed meanwhile");
      parts[i].reset();
    }
    to.close();
    whole.place(place, options.overwrite);
  } catch (const Full&) {
    throw_no_room_for_backup(file);
  }
}

}  // namespace sharded

void restore_directory(const std::filesystem::path& file, const std::filesystem::path& directory,
                       const Options& options, const OnProgress& on_progress) {
  std::vector<std::uint64_t> sizes;
  platform::File backup;
  // Closing a descriptor of a database would drop the locks that SQLite has on it.
  if (platform::file_info(file).type == platform::FileType::regular && !is_sqlite_file(file) &&
      backup.open(file.native()))
    sizes = sharded::sizes_in(backup, file);
  const std::size_t count = std::max<std::size_t>(sizes.size(), 1);
  if (options.shards != 0 && options.shards != count) {
    throw InvalidArgument("the backup " + platform::in_quotes(file) + " is of a cache with " +
                          std::to_string(count) + (count == 1 ? " shard" : " shards") + ", not with " +
                          std::to_string(options.shards) +
                          "; nothing was made: restore it without a number, then export that cache and "
                          "import it into a new one");
  }
  if (!sizes.empty()) return sharded::restore_shards(backup, sizes, file, directory, options, on_progress);
  backup.close();
  restore_sqlite(file, directory, options, kNoLayout, on_progress);
}

}  // namespace dcache::store
