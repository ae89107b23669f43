// SPDX-License-Identifier: Apache-2.0
#include "dcache/items.hpp"

#include <optional>
#include <string>
#include <utility>

#include "recipes/damage.hpp"

namespace dcache {

struct Items::Query {
  Cache cache;
  Entries entries;
  Name name;
};

struct Items::Iterator::Walk {
  std::shared_ptr<const Query> query;
  Entries::Iterator at;
  std::optional<Entry> item;

  /// The values are read one by one, so that a damaged one is not the end of the walk.
  void settle() {
    for (item.reset(); !item && at != std::default_sentinel; ++at) {
      const std::string_view name = query->name(at->key);
      if (name.data() == nullptr) continue;
      try {
        item = query->cache.entry(at->key);
      } catch (const Corrupt& error) {
        recipes::tell_damage(*query->cache.state(), error);
      }
      if (item) item->key = name;
    }
  }
};

Items::Items(const Cache& cache, EntryFilter filter, Name name) {
  filter.values = false;
  query_ =
      std::make_shared<const Query>(Query{cache.share(), cache.entries(std::move(filter)), std::move(name)});
}

Items::Iterator Items::begin() const {
  auto walk = std::make_shared<Iterator::Walk>(Iterator::Walk{query_, query_->entries.begin(), {}});
  walk->settle();
  return Iterator(std::move(walk));
}

const Entry& Items::Iterator::operator*() const { return *walk_->item; }

Items::Iterator& Items::Iterator::operator++() {
  walk_->settle();
  return *this;
}

bool Items::Iterator::done() const noexcept { return !walk_->item.has_value(); }

}  // namespace dcache
