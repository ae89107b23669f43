// SPDX-License-Identifier: Apache-2.0
//
// Single values: each call goes to the shard that keeps the key.
#include <algorithm>
#include <cstring>

#include "dcache/error.hpp"
#include "store/sharded/route.hpp"
#include "store/sharded/sharded_store.hpp"

namespace dcache::store::sharded {

namespace {

/// Above this a value is written before the transaction begins.
constexpr std::size_t kLarge = std::size_t{32} << 10;

/// A transaction that is undone unless it is committed.
class Own {
 public:
  explicit Own(Store& store) : store_(store) { store_.begin(); }
  Own(const Own&) = delete;
  Own& operator=(const Own&) = delete;
  ~Own() {
    if (open_) store_.rollback();
  }
  void commit() {
    open_ = false;
    store_.commit();
  }

 private:
  Store& store_;
  bool open_ = true;
};

}  // namespace

std::size_t ShardedStore::shard_of(std::string_view key) const noexcept {
  return sharded::shard_of(key, shards_.size());
}

template <class F>
auto ShardedStore::guarded(std::string_view key, const Guard* guard, F f) {
  if (guard == nullptr || shard_of(key) == 0) return f(home_of(key), guard);
  const Guard* const obeyed = nullptr;
  if (in_transaction()) {
    Store& home = home_of(key);
    hold_to(*guard);
    return f(home, obeyed);
  }
  Own transaction(*this);
  Store& home = home_of(key);
  hold_to(*guard);
  auto result = f(home, obeyed);
  transaction.commit();
  return result;
}

template <class F>
auto ShardedStore::removing(std::string_view key, const Guard* guard, F f) {
  for (int tries = 0;; ++tries) {
    try {
      return guarded(key, guard, f);
    } catch (const Full&) {
      // Without a guard, or in the first shard, the shard itself has done so.
      if (guard == nullptr || shard_of(key) == 0 || in_transaction()) throw;
      if (!shards_[shard_of(key)]->make_way(tries)) throw;
    }
  }
}

std::optional<std::string> ShardedStore::get(std::string_view key) { return home_of(key).get(key); }
std::optional<Entry> ShardedStore::entry(std::string_view key) { return home_of(key).entry(key); }
bool ShardedStore::contains(std::string_view key) { return home_of(key).contains(key); }
bool ShardedStore::get_to(std::string_view key, Sink sink) { return home_of(key).get_to(key, sink); }

bool ShardedStore::put(std::string_view key, const NewValue& value, Put mode) {
  if (value.guard != nullptr && mode == Put::always && value.bytes.size() > kLarge) {
    std::string_view left = value.bytes;
    NewValue rest = value;
    rest.bytes = {};
    put_from(key, rest, [&left](char* buffer, std::size_t size) {
      const std::size_t n = std::min(size, left.size());
      std::memcpy(buffer, left.data(), n);
      left.remove_prefix(n);
      return n;
    });
    return true;
  }
  return guarded(key, value.guard, [&](Store& home, const Guard* guard) {
    NewValue with = value;
    with.guard = guard;
    return home.put(key, with, mode);
  });
}

bool ShardedStore::erase(std::string_view key, const Guard* guard) {
  return removing(key, guard, [&](Store& home, const Guard* to_obey) { return home.erase(key, to_obey); });
}

/// What `source` gives is written before anything is locked. Its end is where the transaction begins that the
/// shard then joins.
void ShardedStore::put_from(std::string_view key, const NewValue& value, Source source) {
  if (value.guard == nullptr || shard_of(key) == 0) return home_of(key).put_from(key, value, source);
  NewValue with = value;
  with.guard = nullptr;
  std::optional<Own> transaction;
  shards_[shard_of(key)]->put_from(key, with, [&](char* buffer, std::size_t size) {
    const std::size_t n = source(buffer, size);
    if (n == 0) {
      if (!in_transaction()) transaction.emplace(*this);
      static_cast<void>(home_of(key));
      hold_to(*value.guard);
    }
    return n;
  });
  if (transaction) transaction->commit();
}

std::optional<Entry> ShardedStore::pop(std::string_view key, const Guard* guard) {
  return removing(key, guard, [&](Store& home, const Guard* to_obey) { return home.pop(key, to_obey); });
}

bool ShardedStore::replace(std::string_view key, std::string_view expected, const NewValue& desired) {
  return guarded(key, desired.guard, [&](Store& home, const Guard* guard) {
    NewValue with = desired;
    with.guard = guard;
    return home.replace(key, expected, with);
  });
}

void ShardedStore::update(std::string_view key, FunctionRef<Change(const Entry*)> f, const Guard* guard) {
  guarded(key, guard, [&](Store& home, const Guard* to_obey) {
    home.update(key, f, to_obey);
    return true;
  });
}

}  // namespace dcache::store::sharded
