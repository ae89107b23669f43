// SPDX-License-Identifier: Apache-2.0
//
// Opening and making a cache that may have several shards. The first is the directory itself, the others are
// in directories below it. A cache comes into being with the tables of its first shard: those of the others
// are made before, inside the transaction that makes these, so that no other process can be at it at the same
// time, and what a crash leaves of them is used again. Which they are is stored with the first.
#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/file.hpp"
#include "store/engines.hpp"
#include "store/sharded/layout.hpp"
#include "store/sharded/sharded_store.hpp"

namespace dcache::store {

namespace sharded {

namespace fs = std::filesystem;

namespace {

constexpr auto kPartLayout = [] { return std::string(kPart); };

/// What there is of a store in a new shard's directory must be what a crash has left of making one.
void refuse_used(Store& shard, const fs::path& path) {
  const std::string behind_all(kMaxKeyBytes + 1, '\xFF');
  if (shard.record(Space::layout, "") == kPart && shard.keys("", behind_all, Store::Direction::up, 1).empty())
    return;
  throw AlreadyExists("there are values in " + platform::in_quotes(path) +
                      ", where a shard of the new cache is to be; nothing was changed: move it away, or "
                      "choose another directory");
}

/// Refuses what the directory of a cache itself is refused for, and a link besides.
platform::Directory part_directory(const fs::path& path, const Options& options) {
  if (platform::file_info(path).type == platform::FileType::symlink) {
    throw Unsupported(platform::in_quotes(path) +
                      " is a symbolic link; the shards of a cache must be real: put the directory itself "
                      "there");
  }
  return platform::open_directory(path, options);
}

std::unique_ptr<Store> open_part(const fs::path& cache, std::size_t number, const std::string& uuid,
                                 Options options) {
  const fs::path path = cache / part_name(number);
  const std::string what =
      "shard " + std::to_string(number) + " of the cache in " + platform::in_quotes(cache);
  const std::string mend = "; put the directory back that was there, or restore a backup";
  if (platform::file_info(path).type == platform::FileType::missing) {
    throw NotACache(what + " is missing: there is no " + platform::in_quotes(path) + mend);
  }
  options.create = Create::never;
  std::unique_ptr<Store> part;
  try {
    part = open_sqlite(part_directory(path, options), options, kNoLayout);
  } catch (const NotACache& error) {
    throw NotACache(what + " cannot be used: " + error.what() + mend);
  }
  if (part->uuid() != uuid) {
    throw NotACache(what + " is not the one that it was made with: " + platform::in_quotes(path) +
                    " is of another cache" + mend);
  }
  return part;
}

}  // namespace

std::string part_name(std::size_t number) {
  std::string digits = std::to_string(number);
  return "shard-" + std::string(digits.size() < 2 ? 1 : 0, '0') + digits;
}

std::string Layout::text() const {
  if (parts.empty()) return {};
  std::string text = std::to_string(parts.size() + 1);
  for (const std::string& uuid : parts) text.append(1, ' ').append(uuid);
  return text;
}

Layout Layout::of(Store& first, const fs::path& directory) {
  Layout layout;
  const std::optional<std::string> text = first.record(Space::layout, "");
  if (!text) return layout;
  if (*text == kPart) {
    throw NotACache(platform::in_quotes(directory) +
                    " is a shard of a cache, not a cache: open the directory above it");
  }
  std::istringstream words(*text);
  std::size_t count = 0;
  words >> count;
  for (std::string uuid; words >> uuid;) layout.parts.push_back(std::move(uuid));
  if (count < 2 || count > kMaxShards || layout.parts.size() + 1 != count) {
    throw Corrupt("the list of shards stored in " + platform::in_quotes(directory) +
                  " is damaged or of a newer version; restore a backup into another directory");
  }
  return layout;
}

Layout make_parts(const platform::Directory& directory, Options options) {
  Layout layout;
  if (options.shards < 2) return layout;
  options.create = Create::directory;
  for (std::size_t i = 1; i < options.shards; ++i) {
    const fs::path path = directory.path / part_name(i);
    const std::unique_ptr<Store> part = open_sqlite(part_directory(path, options), options, kPartLayout);
    refuse_used(*part, path);
    layout.parts.push_back(part->uuid());
    platform::sync_directory(path);
  }
  platform::sync_directory(directory.path);
  return layout;
}

}  // namespace sharded

std::unique_ptr<Store> open_directory(platform::Directory directory, const Options& options) {
  const std::filesystem::path path = directory.path;
  std::vector<std::unique_ptr<Store>> shards;
  shards.push_back(
      open_sqlite(directory, options, [&] { return sharded::make_parts(directory, options).text(); }));
  const sharded::Layout layout = sharded::Layout::of(*shards.front(), path);
  const std::size_t count = layout.parts.size() + 1;
  if (options.shards != 0 && options.shards != count) {
    throw InvalidArgument("the cache in '" + escape(path.native()) + "' was made with " +
                          std::to_string(count) + (count == 1 ? " shard" : " shards") + ", not with " +
                          std::to_string(options.shards) +
                          ", and keeps that number; nothing was changed: open it with that number or without "
                          "one, or export it and import it into a new one");
  }
  if (count == 1) return std::move(shards.front());
  for (std::size_t i = 1; i < count; ++i)
    shards.push_back(sharded::open_part(path, i, layout.parts[i - 1], options));
  return std::make_unique<sharded::ShardedStore>(std::move(shards));
}

std::unique_ptr<Store> open_memory_shards(const Options& options) {
  if (options.shards < 2) return open_memory(options);
  std::vector<std::unique_ptr<Store>> shards;
  for (std::uint32_t i = 0; i < options.shards; ++i) shards.push_back(open_memory(options));
  return std::make_unique<sharded::ShardedStore>(std::move(shards));
}

}  // namespace dcache::store
