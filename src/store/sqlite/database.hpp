// SPDX-License-Identifier: Apache-2.0
//
// Finding, making and recognising the database file of a cache.
#pragma once

#include <filesystem>
#include <memory>

#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "platform/directory.hpp"
#include "store/engines.hpp"
#include "store/sqlite/connection.hpp"

namespace dcache::store::sqlite {

/// Opens the cache database in `directory`, making it as `options.create` allows, and returns a connection
/// that has seen that it is ours. An existing database is only read. A foreign one is left untouched:
/// NotACache. Two openers of a new directory end up with one cache.
std::unique_ptr<Connection> open_database(const platform::Directory& directory, const Options& options,
                                          Deadline deadline, MakeLayout layout);

/// Throws NotACache unless the header of the file is that of a backup of a version that we know.
void check_backup_header(const std::string& path);

/// Makes the tables of a cache, with an identity of its own, in a database that has none.
void make_tables(Connection& connection, const std::filesystem::path& directory, MakeLayout layout);

}  // namespace dcache::store::sqlite
