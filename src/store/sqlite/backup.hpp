// SPDX-License-Identifier: Apache-2.0
//
// The file that a backup is: a database with the rows of a cache as they were, and the bytes of its value
// files in a table `parts`. It has no locks, no identity and no list of files to remove.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "store/sqlite/connection.hpp"

namespace dcache::store::sqlite {

/// Makes the tables of a backup in an empty file.
void make_backup_tables(Connection& backup);

/// Reads all of a backup. Throws Corrupt, naming key and `shown`, if anything of it does not match its
/// checksum or leads nowhere. `on_bytes` is told how many bytes of values were read so far.
void verify_backup(Connection& backup, const std::string& shown,
                   const std::function<void(std::uint64_t)>& on_bytes);

}  // namespace dcache::store::sqlite
