// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/schema.hpp"

namespace dcache::store::sqlite {

std::string_view sql(Sql which) noexcept {
  switch (which) {
    case Sql::begin:
      return "BEGIN IMMEDIATE";
    case Sql::begin_reading:
      return "BEGIN";
    case Sql::commit:
      return "COMMIT";
    case Sql::rollback:
      return "ROLLBACK";
    case Sql::entry:
      return "SELECT stored, expires, format, sum, tags, file, value, id FROM entries WHERE key = ?1";
    case Sql::find:
      return "SELECT id, expires, tags, file FROM entries WHERE key = ?1";
    // By what is only a hint of the id: the row is that key's or it is not found. With the sign the key is
    // compared, not searched for.
    case Sql::entry_at:
      return "SELECT stored, expires, format, sum, tags, file, value, id FROM entries WHERE id = ?2 AND +key "
             "= ?1";
    case Sql::find_at:
      return "SELECT id, expires, tags, file FROM entries WHERE id = ?2 AND +key = ?1";
    case Sql::entry_by_id:
      return "SELECT stored, expires, format, sum, tags, file, value, key FROM entries WHERE id = ?1";
    // A damaged index leads to the row of another key, so what is overwritten must have the key itself.
    // The fast ways in touch one row and leave alone what has tags or a file, which need more.
    // A new row's id is the next one unless one is given.
    case Sql::upsert:
      return "INSERT INTO entries(id, key, stored, expires, format, sum, value) "
             "VALUES(?7, ?1, ?2, ?3, ?4, ?5, ?6) "
             "ON CONFLICT(key) DO UPDATE SET stored = excluded.stored, expires = excluded.expires, "
             "format = excluded.format, sum = excluded.sum, value = excluded.value "
             "WHERE entries.key = ?1 AND entries.tags IS NULL AND entries.file IS NULL";
    case Sql::overwrite_at:
      return "UPDATE entries SET stored = ?2, expires = ?3, format = ?4, sum = ?5, value = ?6 "
             "WHERE id = ?7 AND +key = ?1 AND tags IS NULL AND file IS NULL";
    case Sql::insert_if_dead:
      return "INSERT INTO entries(id, key, stored, expires, format, sum, value) "
             "VALUES(?7, ?1, ?2, ?3, ?4, ?5, ?6) "
             "ON CONFLICT(key) DO UPDATE SET stored = excluded.stored, expires = excluded.expires, "
             "format = excluded.format, sum = excluded.sum, value = excluded.value "
             "WHERE entries.key = ?1 AND entries.tags IS NULL AND entries.file IS NULL AND entries.expires "
             "<= ?2";
    case Sql::insert:
      return "INSERT INTO entries(id, key, stored, expires, format, sum, value, tags, file) "
             "VALUES(?9, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    case Sql::update:
      return "UPDATE entries SET stored = ?2, expires = ?3, format = ?4, sum = ?5, value = ?6, tags = ?7, "
             "file = ?8 WHERE id = ?1 AND key = ?9";
    case Sql::retime:
      return "UPDATE entries SET expires = ?2, sum = ?3 WHERE id = ?1";
    case Sql::erase_live:
      return "DELETE FROM entries WHERE key = ?1 AND tags IS NULL AND file IS NULL AND (expires IS NULL OR "
             "expires > ?2)";
    case Sql::erase_live_at:
      return "DELETE FROM entries WHERE id = ?3 AND +key = ?1 AND tags IS NULL AND file IS NULL AND (expires "
             "IS NULL OR expires > ?2)";
    case Sql::erase_id:
      return "DELETE FROM entries WHERE id = ?1";
    case Sql::tag_insert:
      return "INSERT INTO tags(tag, id) VALUES(?1, ?2) ON CONFLICT DO NOTHING";
    case Sql::tag_erase:
      return "DELETE FROM tags WHERE tag = ?1 AND id = ?2";
    case Sql::tag_there:
      return "SELECT 1 FROM tags WHERE tag = ?1 AND id = ?2";
    case Sql::tags_up:
      return "SELECT tag, id FROM tags WHERE (tag, id) > (?1, ?2) ORDER BY tag, id LIMIT ?3";
    case Sql::tags_of:
      return "SELECT tags, key FROM entries WHERE id = ?1";
    case Sql::page_up:
      return "SELECT stored, expires, format, sum, tags, file, value, key, id FROM entries WHERE id > ?1 "
             "AND id <= ?3 ORDER BY id LIMIT ?2";
    case Sql::page_down:
      return "SELECT stored, expires, format, sum, tags, file, value, key, id FROM entries WHERE id < ?1 "
             "AND id <= ?3 ORDER BY id DESC LIMIT ?2";
    case Sql::keys_up:
      return "SELECT stored, expires, format, sum, tags, file, value, key, id FROM entries WHERE key >= ?1 "
             "AND +id <= ?3 ORDER BY key LIMIT ?2";
    case Sql::keys_down:
      return "SELECT stored, expires, format, sum, tags, file, value, key, id FROM entries WHERE key < ?1 "
             "AND +id <= ?3 ORDER BY key DESC LIMIT ?2";
    case Sql::ids_with_prefix:
      return "SELECT id, key FROM entries WHERE key >= ?1 ORDER BY key";
    case Sql::names_up:
      return "SELECT key FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";
    case Sql::names_down:
      return "SELECT key FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3";
    case Sql::ids_with_tag:
      return "SELECT id FROM tags WHERE tag = ?1 ORDER BY id";
    case Sql::tagged_batch:
      return "SELECT e.id, e.stored, e.tags, e.file, e.key FROM tags t JOIN entries e ON e.id = t.id "
             "WHERE t.tag = ?1 AND t.id > ?2 AND t.id <= ?4 ORDER BY t.id LIMIT ?3";
    case Sql::batch:
      return "SELECT id, stored, tags, file, key FROM entries WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT "
             "?3";
    case Sql::expired_batch:
      return "SELECT id, stored, tags, file, key FROM entries WHERE expires <= ?1 ORDER BY expires LIMIT ?2";
    case Sql::oldest_batch:
      return "SELECT id, stored, tags, file, key FROM entries WHERE stored < ?1 OR stored > ?3 ORDER BY id "
             "LIMIT "
             "?2";
    case Sql::last_id:
      return "SELECT max(id) FROM entries";
    case Sql::span_of_ids:
      return "SELECT (SELECT max(id) FROM entries) - (SELECT min(id) FROM entries)";
    case Sql::page_count:
      return "PRAGMA page_count";
    case Sql::free_pages:
      return "PRAGMA freelist_count";
    case Sql::meta_get:
      return "SELECT value FROM meta WHERE name = ?1";
    case Sql::meta_put:
      return "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = "
             "excluded.value";
    case Sql::file_row:
      return "SELECT key, file FROM entries WHERE file >= ?1 ORDER BY file LIMIT 1";
    case Sql::trash_add:
      return "INSERT INTO trash(file) VALUES(?1) ON CONFLICT DO NOTHING";
    case Sql::trash_erase:
      return "DELETE FROM trash WHERE file = ?1";
    case Sql::trash_list:
      return "SELECT file FROM trash LIMIT ?1";
    case Sql::trash_row:
      return "SELECT file FROM trash WHERE file >= ?1 ORDER BY file LIMIT 1";
    case Sql::record_get:
      return "SELECT value FROM records WHERE space = ?1 AND key = ?2";
    case Sql::record_add:
      return "INSERT INTO records(space, key, value) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING";
    case Sql::record_put:
      return "INSERT INTO records(space, key, value) VALUES(?1, ?2, ?3) "
             "ON CONFLICT DO UPDATE SET value = excluded.value";
    case Sql::record_erase:
      return "DELETE FROM records WHERE space = ?1 AND key = ?2";
    case Sql::record_erase_if:
      return "DELETE FROM records WHERE space = ?1 AND key = ?2 AND value = ?3";
    case Sql::record_list:
      return "SELECT key, value FROM records WHERE space = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
    case Sql::part_add:
      return "INSERT INTO parts(file, bytes) VALUES(?1, ?2)";
    case Sql::parts_of:
      return "SELECT bytes FROM parts WHERE file = ?1 ORDER BY number";
    case Sql::kCount:
      break;
  }
  return {};
}

}  // namespace dcache::store::sqlite
