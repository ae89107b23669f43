// SPDX-License-Identifier: Apache-2.0
//
// A mapping that processes share and that remembers the order in which its keys came.
//
//   dcache::Index sessions{cache, "sessions"};
//   sessions.set("ada", "192.0.2.7");
//   while (auto oldest = sessions.popitem(dcache::Side::front)) close_session(oldest->key);
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dcache/items.hpp"

namespace dcache {

/// An ordered mapping in a cache: its keys are in the order in which they were first stored, and one that is
/// stored again keeps its place. Each call is atomic across threads and processes. The model is diskcache's
/// Index.
///
/// A key of it is kept in the cache under the name, '/' and the key: "sessions/ada". All values whose keys
/// begin so are its own; they may have expiry and tags like any other. Looking up a key costs what
/// `Cache::get` does; `first`, `last` and `popitem` look through all its keys.
///
/// In a cache of several shards the keys are spread over all of them: their order is as good as the clock,
/// and `popitem` takes what was the first or the last when it looked. A name with a part in braces, as
/// "{sessions}", keeps an index in one shard, where all is as in a cache of one.
class DCACHE_EXPORT Index {
 public:
  /// Throws InvalidArgument for a name of more than 4,095 bytes. Nothing is stored yet. It keeps the cache
  /// open.
  Index(Cache& cache, ByteView name);

  void set(ByteView key, ByteView value, const SetOptions& options = {});
  /// As `Cache::set_many`: all or none (of each shard).
  void set_many(std::initializer_list<std::pair<ByteView, ByteView>> items, const SetOptions& options = {});

  [[nodiscard]] std::optional<std::string> get(ByteView key) const;
  [[nodiscard]] bool contains(ByteView key) const;

  /// The value of `key`, which is `value` from now on if there was none. All who call it at once get the
  /// same.
  std::string setdefault(ByteView key, ByteView value, const SetOptions& options = {});

  /// Removes a key and says whether it was there.
  bool erase(ByteView key);
  /// Removes a key and returns its value; of several callers exactly one gets it.
  [[nodiscard]] std::optional<std::string> pop(ByteView key);

  /// Removes the first or the last item and returns it; of several callers exactly one gets it. Damaged ones
  /// are passed over and told to `Options::on_error`. `Entry::key` is the key in the index, here and below.
  [[nodiscard]] std::optional<Entry> popitem(Side side = Side::back);

  [[nodiscard]] std::optional<Entry> first() const;
  [[nodiscard]] std::optional<Entry> last() const;

  /// The items in order, from an end to the other, as Items says.
  [[nodiscard]] Items items(Side from = Side::front) const;
  /// The keys in order.
  [[nodiscard]] std::vector<std::string> keys() const;

  /// Number of items; counted one by one.
  [[nodiscard]] std::uint64_t size() const;

  /// Removes all items, in small steps. Returns how many.
  std::uint64_t clear();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  [[nodiscard]] std::string full(ByteView key) const;
  [[nodiscard]] bool spread() const;

  Cache cache_;
  std::string name_;
  std::string prefix_;
};

}  // namespace dcache
