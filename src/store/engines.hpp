// SPDX-License-Identifier: Apache-2.0
//
// The engines that this build has. Nothing above the store includes more of an engine than this.
#pragma once

#include <filesystem>
#include <memory>

#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "platform/directory.hpp"

namespace dcache::store {

/// Called while a new store is being made and nobody else can get at it: returns the record that it has of
/// its layout from the beginning; empty = none.
using MakeLayout = FunctionRef<std::string()>;
inline constexpr auto kNoLayout = [] { return std::string(); };

/// The SQLite engine in a checked directory; makes the database as the options allow.
std::unique_ptr<Store> open_sqlite(platform::Directory directory, const Options& options, MakeLayout layout);

/// Makes a store of that engine from its backup: as `Cache::restore`, but does not open it.
void restore_sqlite(const std::filesystem::path& file, const std::filesystem::path& directory,
                    const Options& options, MakeLayout layout, const OnProgress& on_progress);

/// Whether a file is a database of that engine, whoever's. Looks at it in a way that does no harm to one that
/// this process has open.
bool is_sqlite_file(const std::filesystem::path& file);

/// The memory engine: a store of its own for each call.
std::unique_ptr<Store> open_memory(const Options& options);

// What a cache opens: one store, or several of an engine as the shards of one.

/// The cache in a checked directory, made as the options allow.
std::unique_ptr<Store> open_directory(platform::Directory directory, const Options& options);
/// As `Cache::restore`, but does not open it.
void restore_directory(const std::filesystem::path& file, const std::filesystem::path& directory,
                       const Options& options, const OnProgress& on_progress);
std::unique_ptr<Store> open_memory_shards(const Options& options);

}  // namespace dcache::store
