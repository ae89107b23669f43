// SPDX-License-Identifier: Apache-2.0
//
// Value files and the transaction that refers to them. What the lists hold belongs to whoever has the writer
// slot.
#include <utility>

#include "store/sqlite/sqlite_store.hpp"

namespace dcache::store::sqlite {

void SqliteStore::add_file(ValueFiles::Draft draft) {
  file_bytes_change_ += static_cast<std::int64_t>(draft.ref().size);
  added_files_.push_back(std::move(draft));
}

void SqliteStore::drop_file(Connection& connection, std::string_view packed) {
  const std::optional<FileRef> file = FileRef::unpack(packed);
  if (!file) return;
  Statement add = connection.use(Sql::trash_add);
  connection.run(add.bind(1, packed), "note a file to remove");
  file_bytes_change_ -= static_cast<std::int64_t>(file->size);
  dropped_files_.push_back(*file);
}

void SqliteStore::files_before_commit(Connection& connection) {
  for (const FileRef& file : removed_files_) {
    const std::string packed = file.packed();
    Statement erase = connection.use(Sql::trash_erase);
    connection.run(erase.bind(1, packed), "forget a removed file");
  }
  if (file_bytes_change_ == 0) return;
  const std::string total = std::to_string(file_bytes(connection));
  Statement put = connection.use(Sql::meta_put);
  connection.run(put.bind_text(1, "file_bytes").bind(2, total), "count the bytes of files");
}

void SqliteStore::files_after_commit() noexcept {
  file_bytes_change_ = 0;
  removed_files_.clear();
  for (ValueFiles::Draft& draft : added_files_) draft.keep();
  added_files_.clear();
  if (!dropped_files_.empty() && files_held()) dropped_files_.clear();  // a sweep finds them in `trash`
  for (const FileRef& file : dropped_files_) files_.remove(file);
  removed_files_ = std::move(dropped_files_);
  dropped_files_.clear();
}

/// Whether a backup reads files that were dropped since it began.
bool SqliteStore::files_held() noexcept {
  bool held = false;
  try {
    for (const ValueFiles::Held& hold : files_.holds()) {
      const bool dead = session_->alive(hold.session) == Liveness::dead;
      if (dead) files_.remove_hold(hold);
      held = held || !dead;
    }
  } catch (const std::exception&) {
    return true;
  }
  return held;
}

void SqliteStore::files_after_rollback() noexcept {
  file_bytes_change_ = 0;
  added_files_.clear();
  dropped_files_.clear();
}

/// Notes as trash the files in flight whose session is dead and whose row was never committed. A killed
/// writer may have written its commit to the log without announcing it: nobody sees such a row, but it would
/// be there after the log is read anew. A commit of ours takes its place in the log, so only then may the
/// file go.
void SqliteStore::give_up_dead_files() {
  std::vector<ValueFiles::InFlight> dead = files_.in_flight();
  std::erase_if(dead, [this](const auto& file) { return session_->alive(file.session) != Liveness::dead; });
  if (dead.empty()) return;
  removing([&] { note_as_trash(dead); });
  for (const ValueFiles::InFlight& file : dead) files_.remove_in_flight(file);
}

void SqliteStore::note_as_trash(const std::vector<ValueFiles::InFlight>& dead) {
  Write write(*this, deadline_from_now());
  write.changing();
  for (const ValueFiles::InFlight& file : dead) {
    const std::string from = file.ref.packed();
    {
      Statement row = write->use(Sql::file_row);
      if (write->step(row.bind(1, from), "look for a file's row") &&
          row.bytes(1).substr(0, FileRef::kNameBytes) == from.substr(0, FileRef::kNameBytes)) {
        continue;
      }
    }
    Statement add = write->use(Sql::trash_add);
    write->run(add.bind(1, from), "note a file to remove");
  }
  write.commit();
}

/// What crashes left behind goes with the first value that a process stores.
void SqliteStore::sweep_once() {
  if (swept_.load(std::memory_order_relaxed) || in_transaction() || swept_.exchange(true)) return;
  try {
    sweep_files();
  } catch (const Error&) {
    // The call itself says what is wrong, if it is for it.
  }
}

/// Removes what crashes left behind: files in flight, and files that a commit noted as trash.
void SqliteStore::sweep_files() {
  give_up_dead_files();
  constexpr std::int64_t kFilesAStep = 200;
  for (std::size_t found = kFilesAStep; found == kFilesAStep;) {
    std::vector<std::string> trash;
    {
      Read read(*this);
      Statement row = read->use(Sql::trash_list);
      row.bind(1, kFilesAStep);
      while (read->step(row, "list removed files")) trash.emplace_back(row.bytes(0));
    }
    found = trash.size();
    // A backup that begins after the list was read does not need what is on it.
    if (trash.empty() || files_held()) return;
    for (const std::string& packed : trash) {
      if (const std::optional<FileRef> file = FileRef::unpack(packed)) files_.remove(*file);
    }
    const std::int64_t forgotten = removing([&] {
      Write write(*this, deadline_from_now());
      write.changing();
      std::int64_t count = 0;
      for (const std::string& packed : trash) {
        Statement erase = write->use(Sql::trash_erase);
        write->run(erase.bind(1, packed), "forget a removed file");
        count += sqlite3_changes64(write->handle());
      }
      write.commit();
      return count;
    });
    // Others sweep too; or the table is damaged, and this would never end.
    if (forgotten == 0) return;
  }
}

}  // namespace dcache::store::sqlite
