// SPDX-License-Identifier: Apache-2.0
//
// The tables of a cache, and all statements that are run on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dcache::store::sqlite {

inline constexpr std::int64_t kApplicationId = 0x64636163;  // "dcac"
inline constexpr std::int64_t kSchemaVersion = 1;

/// Small pages: a commit writes whole pages to the log, and most values are far smaller than one. Measured
/// against 4096 (ARCHITECTURE.md, "Why the tables are as they are").
inline constexpr int kPageBytes = 2048;

/// No triggers, no views: a database that has some is not ours.
inline constexpr const char* kSchema = R"sql(
CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entries(
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE,
  stored INTEGER NOT NULL,
  expires INTEGER,
  format INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  tags BLOB,
  file BLOB,
  value BLOB
) STRICT;
CREATE INDEX entries_by_expiry ON entries(expires) WHERE expires IS NOT NULL;
CREATE INDEX entries_by_file ON entries(file) WHERE file IS NOT NULL;
CREATE TABLE tags(tag BLOB NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(tag, id)) STRICT, WITHOUT ROWID;
CREATE TABLE records(
  space INTEGER NOT NULL,
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(space, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE trash(file BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
)sql";

/// A backup is a database with the same tables, and value files in one more. It has an application id of its
/// own, as it lacks what a cache must have. Parts come in order of their number.
inline constexpr std::int64_t kBackupId = 0x64636162;  // "dcab"
inline constexpr const char* kPartsSchema = R"sql(
CREATE TABLE parts(number INTEGER PRIMARY KEY, file BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE INDEX parts_by_file ON parts(file);
)sql";

/// Every statement that runs more than once. Prepared on first use, one of each a connection.
enum class Sql : std::size_t {
  begin,
  begin_reading,
  commit,
  rollback,
  entry,
  find,
  entry_at,
  find_at,
  entry_by_id,
  upsert,
  overwrite_at,
  insert_if_dead,
  insert,
  update,
  retime,
  erase_live,
  erase_live_at,
  erase_id,
  tag_insert,
  tag_erase,
  tag_there,
  tags_up,
  tags_of,
  page_up,
  page_down,
  keys_up,
  keys_down,
  ids_with_prefix,
  names_up,
  names_down,
  ids_with_tag,
  tagged_batch,
  batch,
  expired_batch,
  oldest_batch,
  last_id,
  span_of_ids,
  page_count,
  free_pages,
  meta_get,
  meta_put,
  file_row,
  trash_add,
  trash_erase,
  trash_list,
  trash_row,
  record_get,
  record_add,
  record_put,
  record_erase,
  record_erase_if,
  record_list,
  part_add,
  parts_of,
  kCount,
};

/// The text of a statement.
std::string_view sql(Sql which) noexcept;

}  // namespace dcache::store::sqlite
