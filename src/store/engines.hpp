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

/// The SQLite engine in a checked directory; makes the database as the options allow.
std::unique_ptr<Store> open_sqlite(platform::Directory directory, const Options& options);

/// Makes a cache of that engine from a backup: as `Cache::restore`, but does not open it.
void restore_sqlite(const std::filesystem::path& file, const std::filesystem::path& directory,
                    const Options& options, const OnProgress& on_progress);

/// The memory engine: a store of its own for each call.
std::unique_ptr<Store> open_memory(const Options& options);

}  // namespace dcache::store
