// SPDX-License-Identifier: Apache-2.0
//
// fork(2) and SQLite. A child has copies of its parent's connections, and in SQLite's memory a copy of the
// locks that the *parent* holds: a new connection of the child to the same file would share that memory,
// believe those locks its own, and do harm. So before a child opens a directory that its parent had open, the
// copies are closed. That is safe if no thread was inside SQLite when the fork happened: the files have locks
// of the parent's only, which closing in the child does not touch, and our closing neither checkpoints nor
// unlinks. Where a thread was inside, nothing is safe: the child may not open that directory (Forked). A
// child that only calls exec, or never opens the directory, pays nothing.
#include <algorithm>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/fork.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace dcache::store::sqlite {

namespace {

// Guarded by the registry mutex, which is held across a fork.
struct Opened {
  std::vector<SqliteStore*> stores;
  std::vector<platform::FileId> unusable;  ///< directories whose connections a child could not close
};

Opened& opened() {
  static auto* const all = new Opened;
  return *all;
}

}  // namespace

void SqliteStore::enlist() {
  platform::MutexLock lock(platform::registry_mutex());
  opened().stores.push_back(this);
}

bool SqliteStore::quiet_at_fork() noexcept {
  const std::uint64_t now = platform::fork_generation();
  return std::none_of(opened().stores.begin(), opened().stores.end(), [&](const SqliteStore* store) {
    return store->fork_generation_ != now && store->in_use_.load(std::memory_order_relaxed) != 0;
  });
}

void SqliteStore::close_all() noexcept {
  writer_.reset();
  checkpointer_.close();
  idle_readers_.clear();
}

void SqliteStore::abandon_all() noexcept {
  if (writer_ != nullptr) writer_->abandon();
  checkpointer_.abandon();
  for (const auto& reader : idle_readers_) reader->abandon();
  // Files on their way in are the parent's: going here, they would be removed.
  platform::keep_for_parent(std::make_shared<decltype(added_files_)>(std::move(added_files_)));
}

void SqliteStore::leave_list() noexcept {
  platform::MutexLock lock(platform::registry_mutex());
  if (fork_generation_ != platform::fork_generation()) {
    // A thread that is not here may have been in the middle of changing them.
    if (copies_ != nullptr) platform::keep_for_parent(std::move(copies_));
    if (quiet_at_fork()) {
      close_all();
    } else {
      abandon_all();
      opened().unusable.push_back(directory_.id);
    }
  }
  std::erase(opened().stores, this);
}

void SqliteStore::settle_after_fork(const platform::Directory& directory) {
  platform::MutexLock lock(platform::registry_mutex());
  const std::uint64_t now = platform::fork_generation();
  bool usable =
      std::find(opened().unusable.begin(), opened().unusable.end(), directory.id) == opened().unusable.end();
  for (SqliteStore* store : opened().stores) {
    if (store->fork_generation_ == now || store->directory_.id != directory.id) continue;
    usable = usable && quiet_at_fork();
    if (usable) store->close_all();
  }
  if (usable) return;
  throw Forked("cannot open the cache in '" + escape(directory.path.native()) +
               "': when this process was forked, another thread of its parent was in the middle of using it; "
               "fork while the cache is idle or closed, or exec first");
}

}  // namespace dcache::store::sqlite
