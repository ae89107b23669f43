// SPDX-License-Identifier: Apache-2.0
#include "layouts.hpp"

namespace bench {

namespace {

constexpr const char* kColumns =
    "stored INTEGER NOT NULL, expires INTEGER, format INTEGER NOT NULL, sum INTEGER NOT NULL, tags BLOB, "
    "value BLOB NOT NULL) STRICT";
constexpr const char* kColumnsWithoutExpiry =
    "stored INTEGER NOT NULL, format INTEGER NOT NULL, sum INTEGER NOT NULL, tags BLOB, "
    "value BLOB NOT NULL) STRICT";
constexpr const char* kExpiryIndex = "; CREATE INDEX by_expiry ON e(expires) WHERE expires IS NOT NULL";

/// SQLite by hand, with its defaults.
Layout raw_table() {
  return {
      .group = "keys",
      .name = "raw: two columns, WITHOUT ROWID",
      .page_size = 4096,
      .cache_kib = 2000,
      .transaction = false,
      .schema = "CREATE TABLE e(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
      .insert = {"INSERT INTO e VALUES(:key, :value) ON CONFLICT(key) DO UPDATE SET value = excluded.value"},
      .get = "SELECT value FROM e WHERE key = :key",
      .erase = {"DELETE FROM e WHERE key = :key"}};
}

/// What dcache has, for entries without tags.
Layout rowid() {
  return {.group = "keys",
          .name = "rowid + UNIQUE key (dcache)",
          .schema = std::string("CREATE TABLE e(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, ") +
                    kColumns + kExpiryIndex,
          .insert = {"INSERT INTO e(key, stored, expires, format, sum, value) "
                     "VALUES(:key, :stored, :expires, 1, :sum, :value) "
                     "ON CONFLICT(key) DO UPDATE SET stored = excluded.stored, expires = excluded.expires, "
                     "format = excluded.format, sum = excluded.sum, value = excluded.value "
                     "WHERE e.tags IS NULL"},
          .get = "SELECT stored, expires, format, sum, tags, value FROM e WHERE key = :key",
          .erase = {"DELETE FROM e WHERE key = :key AND tags IS NULL AND (expires IS NULL OR expires > 1)"}};
}

/// The row in the tree of keys; the order of storing, which eviction and iteration walk, in an index.
Layout by_key() {
  Layout layout = rowid();
  layout.name = "WITHOUT ROWID by key + index on sequence";
  layout.schema = std::string("CREATE TABLE e(key BLOB NOT NULL PRIMARY KEY, id INTEGER NOT NULL, ") +
                  kColumns + ", WITHOUT ROWID" + kExpiryIndex + "; CREATE UNIQUE INDEX by_sequence ON e(id)";
  // The number comes from the program: asking the table for it would cost more.
  layout.insert = {
      "INSERT INTO e(key, id, stored, expires, format, sum, value) "
      "VALUES(:key, :sequence, :stored, :expires, 1, :sum, :value) "
      "ON CONFLICT(key) DO UPDATE SET stored = excluded.stored, expires = excluded.expires, "
      "format = excluded.format, sum = excluded.sum, value = excluded.value WHERE e.tags IS NULL"};
  return layout;
}

/// One tree for key and value in which the hash of the key is the row's number. Two keys of one hash are left
/// out here; so is an index by key, without which keys with a prefix are found by a walk over all.
Layout by_hash() {
  Layout layout = rowid();
  layout.name = "rowid = hash of key + index on sequence";
  layout.schema =
      std::string("CREATE TABLE e(hash INTEGER PRIMARY KEY, key BLOB NOT NULL, id INTEGER NOT NULL, ") +
      kColumns + kExpiryIndex + "; CREATE UNIQUE INDEX by_sequence ON e(id)";
  layout.insert = {
      "INSERT INTO e(hash, key, id, stored, expires, format, sum, value) "
      "VALUES(:hash, :key, :sequence, :stored, :expires, 1, :sum, :value) "
      "ON CONFLICT(hash) DO UPDATE SET stored = excluded.stored, expires = excluded.expires, "
      "format = excluded.format, sum = excluded.sum, value = excluded.value WHERE e.tags IS NULL"};
  layout.get = "SELECT stored, expires, format, sum, tags, value FROM e WHERE hash = :hash AND key = :key";
  layout.erase = {
      "DELETE FROM e WHERE hash = :hash AND key = :key AND tags IS NULL AND (expires IS NULL OR expires > "
      "1)"};
  return layout;
}

Layout with_page(int bytes) {
  Layout layout = rowid();
  layout.group = "page size";
  layout.name = "rowid, pages of " + std::to_string(bytes);
  layout.page_size = bytes;
  // The log as large in bytes as with 1000 pages of 2048.
  layout.checkpoint_pages = 2048 * 1000 / bytes;
  return layout;
}

Layout with_cache(int mebibytes) {
  Layout layout = rowid();
  layout.group = "page cache";
  layout.name = "rowid, page cache of " + std::to_string(mebibytes) + " MiB";
  layout.cache_kib = mebibytes * 1024;
  return layout;
}

Layout with_log(int pages) {
  Layout layout = rowid();
  layout.group = "log";
  layout.name = "rowid, checkpoint at " + std::to_string(pages) + " pages";
  layout.checkpoint_pages = pages;
  return layout;
}

Layout tags_inline() {
  Layout layout = rowid();
  layout.group = "2 tags";
  layout.name = "tags in the row + table by tag (dcache)";
  layout.tags = 2;
  layout.schema +=
      "; CREATE TABLE t(tag BLOB NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(tag, id)) STRICT, WITHOUT ROWID";
  layout.find = "SELECT id, expires, tags FROM e WHERE key = :key";
  layout.insert = {
      "INSERT INTO e(key, stored, expires, format, sum, tags, value) "
      "VALUES(:key, :stored, :expires, 1, :sum, :tags, :value)",
      "INSERT INTO t(tag, id) VALUES(:tag, :id) ON CONFLICT DO NOTHING"};
  // The tags stay the same, which is seen in the row that was found.
  layout.update = {
      "UPDATE e SET stored = :stored, expires = :expires, format = 1, sum = :sum, tags = :tags, "
      "value = :value WHERE id = :id"};
  layout.erase = {"DELETE FROM t WHERE tag = :tag AND id = :id", "DELETE FROM e WHERE id = :id"};
  return layout;
}

Layout tags_apart() {
  Layout layout = tags_inline();
  layout.name = "tags in a table of their own, joined";
  layout.schema = rowid().schema +
                  "; CREATE TABLE t(id INTEGER NOT NULL, tag BLOB NOT NULL, PRIMARY KEY(id, tag)) STRICT, "
                  "WITHOUT ROWID; CREATE INDEX by_tag ON t(tag)";
  layout.find =
      "SELECT id, expires, (SELECT group_concat(tag, char(10)) FROM t WHERE t.id = e.id) FROM e "
      "WHERE key = :key";
  layout.insert = {
      "INSERT INTO e(key, stored, expires, format, sum, value) "
      "VALUES(:key, :stored, :expires, 1, :sum, :value)",
      "INSERT INTO t(tag, id) VALUES(:tag, :id) ON CONFLICT DO NOTHING"};
  layout.update = {
      "UPDATE e SET stored = :stored, expires = :expires, format = 1, sum = :sum, "
      "value = :value WHERE id = :id"};
  layout.get =
      "SELECT stored, expires, format, sum, (SELECT group_concat(tag, char(10)) FROM t WHERE t.id = e.id), "
      "value FROM e WHERE key = :key";
  layout.erase = {"DELETE FROM t WHERE id = :id", "DELETE FROM e WHERE id = :id"};
  return layout;
}

Layout expiry_column(bool expires) {
  Layout layout = rowid();
  layout.group = expires ? "expiring" : "not expiring";
  layout.name = "expiry in the row + partial index (dcache)";
  layout.expires = expires;
  return layout;
}

Layout expiry_apart(bool expires) {
  Layout layout = expiry_column(expires);
  layout.name = "expiry in a table of its own, joined";
  layout.schema = std::string("CREATE TABLE e(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, ") +
                  kColumnsWithoutExpiry +
                  "; CREATE TABLE x(id INTEGER PRIMARY KEY, expires INTEGER NOT NULL) STRICT; "
                  "CREATE INDEX by_expiry ON x(expires)";
  layout.find = "SELECT id FROM e WHERE key = :key";
  layout.insert = {"INSERT INTO e(key, stored, format, sum, value) VALUES(:key, :stored, 1, :sum, :value)"};
  layout.update = {"UPDATE e SET stored = :stored, format = 1, sum = :sum, value = :value WHERE id = :id"};
  if (expires) {
    const std::string put =
        "INSERT INTO x VALUES(:id, :expires) ON CONFLICT(id) DO UPDATE SET expires = excluded.expires";
    layout.insert.push_back(put);
    layout.update.push_back(put);
  } else {
    // The value that is replaced may have had one.
    layout.update.emplace_back("DELETE FROM x WHERE id = :id");
  }
  layout.get =
      "SELECT e.stored, x.expires, e.format, e.sum, e.tags, e.value FROM e LEFT JOIN x ON x.id = e.id "
      "WHERE e.key = :key";
  layout.erase = {"DELETE FROM x WHERE id = :id", "DELETE FROM e WHERE id = :id"};
  return layout;
}

}  // namespace

std::vector<Layout> layouts() {
  return {raw_table(),
          rowid(),
          by_key(),
          by_hash(),
          with_page(1024),
          with_page(2048),
          with_page(4096),
          with_page(8192),
          with_cache(2),
          with_cache(4),
          with_cache(8),
          with_log(500),
          with_log(1000),
          with_log(2000),
          tags_inline(),
          tags_apart(),
          expiry_column(false),
          expiry_apart(false),
          expiry_column(true),
          expiry_apart(true)};
}

}  // namespace bench
