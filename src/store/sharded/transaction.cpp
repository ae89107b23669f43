// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "store/sharded/open_transaction.hpp"

namespace dcache::store::sharded {

namespace {

constexpr std::size_t kShownKey = 200;

std::string key_text(std::string_view key) { return "key '" + escape(key, kShownKey) + "'"; }

/// The innermost transaction of this thread. A plain pointer: it is still good when the destructors of static
/// objects run.
thread_local void* t_innermost = nullptr;

std::uint64_t next_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

ShardedStore::ShardedStore(std::vector<std::unique_ptr<Store>> shards)
    : shards_(std::move(shards)), id_(next_id()) {
  for (const std::unique_ptr<Store>& shard : shards_) shard->be_one_of(shards_.size());
}

ShardedStore::Open* ShardedStore::mine() const noexcept {
  auto* open = static_cast<Open*>(t_innermost);
  while (open != nullptr && open->store != id_) open = open->outer;
  return open;
}

std::unique_ptr<ShardedStore::Open> ShardedStore::unlink(Open* ended) noexcept {
  auto* at = static_cast<Open*>(t_innermost);
  if (at == ended) {
    t_innermost = ended->outer;
  } else {
    while (at->outer != ended) at = at->outer;
    at->outer = ended->outer;
  }
  return std::unique_ptr<Open>(ended);
}

void ShardedStore::begin() {
  if (Open* const open = mine()) {
    if (open->home != nullptr) open->home->begin();
    ++open->depth;
    return;
  }
  auto open = std::make_unique<Open>();
  open->store = id_;
  open->outer = static_cast<Open*>(t_innermost);
  t_innermost = open.release();
}

void ShardedStore::commit() {
  Open* const open = mine();
  if (open == nullptr) throw Misuse("commit without a transaction on this thread");
  if (open->depth > 1) {
    if (open->home != nullptr) open->home->commit();
    --open->depth;
    return;
  }
  const std::unique_ptr<Open> ended = unlink(open);
  if (ended->home == nullptr) {
    if (!ended->doomed) return;
    throw Misuse("the transaction was undone: a call inside it failed, and the error was swallowed");
  }
  try {
    ended->home->commit();
  } catch (...) {
    let_go_of_locks(*ended);
    throw;
  }
  let_go_of_locks(*ended);
}

void ShardedStore::rollback() noexcept {
  Open* const open = mine();
  if (open == nullptr) return;
  if (open->home != nullptr) open->home->rollback();
  open->doomed = true;
  if (--open->depth > 0) return;
  let_go_of_locks(*unlink(open));
}

void ShardedStore::doom(Open& open) noexcept {
  open.doomed = true;
  if (open.home == nullptr) return;
  open.home->begin();
  open.home->rollback();
}

/// Makes a shard the home of the transaction, or looks that it is. `what` is told to people.
void ShardedStore::settle_in(Open& open, std::size_t shard, std::string what) {
  if (open.home != nullptr) {
    if (open.shard == shard) return;
    doom(open);
    throw Unsupported(what + " is in shard " + std::to_string(shard) + ", but this transaction is in shard " +
                      std::to_string(open.shard) + ", where " + open.what +
                      " is; nothing was changed: give keys that change together the same part in braces, as "
                      "in '{x}:a' and '{x}:b', or change them one by one");
  }
  Store& home = *shards_[shard];
  home.begin();
  for (int depth = 1; depth < open.depth; ++depth) home.begin();
  open.home = &home;
  open.shard = shard;
  open.what = std::move(what);
  try {
    if (open.doomed) doom(open);
    for (const Guard& guard : std::exchange(open.guards, {})) hold_to(guard);
  } catch (...) {
    doom(open);
    throw;
  }
}

Store& ShardedStore::home_of(std::string_view key) {
  const std::size_t shard = shard_of(key);
  if (Open* const open = mine()) {
    if (open->home == nullptr || open->shard != shard) settle_in(*open, shard, key_text(key));
  }
  return *shards_[shard];
}

Store& ShardedStore::home_of_records(std::string_view key) {
  if (Open* const open = mine()) settle_in(*open, 0, "the record of lock '" + escape(key, kShownKey) + "'");
  return first();
}

void ShardedStore::keep_locks(Open& open) {
  if (open.shard == 0 || open.keeps_locks) return;
  first().begin();
  open.keeps_locks = true;
}

void ShardedStore::let_go_of_locks(const Open& open) noexcept {
  if (open.keeps_locks) first().rollback();
}

void ShardedStore::hold_to(const Guard& guard) {
  if (Open* const open = mine()) {
    if (open->home != nullptr) {
      keep_locks(*open);
    } else {
      open->guards.push_back(guard);
    }
  }
  require(guard, first().record(Space::locks, guard.key()));
}

/// Of a lock that a transaction has looked at nobody changes the record until its end.
std::optional<std::string> ShardedStore::record(Space space, std::string_view key) {
  if (Open* const open = mine(); open != nullptr && open->home != nullptr) keep_locks(*open);
  return first().record(space, key);
}

bool ShardedStore::add_record(Space space, std::string_view key, FunctionRef<std::string(std::uint64_t)> make,
                              Deadline deadline) {
  return home_of_records(key).add_record(space, key, make, deadline);
}

bool ShardedStore::erase_record(Space space, std::string_view key, std::string_view expected,
                                Deadline deadline) {
  return home_of_records(key).erase_record(space, key, expected, deadline);
}

void ShardedStore::update_record(Space space, std::string_view key,
                                 FunctionRef<RecordChange(const std::string*, std::uint64_t)> f,
                                 Deadline deadline) {
  home_of_records(key).update_record(space, key, f, deadline);
}

std::vector<Record> ShardedStore::records(Space space, const std::optional<std::string>& after,
                                          std::size_t limit) {
  return first().records(space, after, limit);
}

void ShardedStore::refuse_inside(const char* call) const {
  if (!in_transaction()) return;
  throw Unsupported(std::string(call) +
                    " is about all shards of the cache, so it cannot be a part of a transaction, which is of "
                    "one; nothing was changed: call it outside of Cache::transact");
}

}  // namespace dcache::store::sharded
