// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "cache/limits.hpp"
#include "cache/state.hpp"
#include "dcache/cache.hpp"
#include "dcache/store.hpp"

namespace dcache {

struct Entries::Iterator::Walk {
  std::shared_ptr<detail::CacheState> state;
  std::unique_ptr<Scan> scan;
  std::vector<Entry> page;
  std::size_t at = 0;

  void turn_page() {
    // The scan refers to the store, which would be the parent's after a fork.
    static_cast<void>(state->store());
    at = 0;
    scan->next(page);
  }
};

Entries Cache::entries(EntryFilter filter) const {
  filter.tags = Tags(checked_tags(filter.tags));
  return {state_, std::move(filter)};
}

Entries::Entries(std::shared_ptr<detail::CacheState> state, EntryFilter filter)
    : state_(std::move(state)), filter_(std::move(filter)) {}

Entries::Iterator Entries::begin() const {
  auto walk = std::make_shared<Iterator::Walk>();
  walk->state = state_;
  walk->scan = state_->store().scan(filter_);
  walk->turn_page();
  return Iterator(std::move(walk));
}

const Entry& Entries::Iterator::operator*() const { return walk_->page[walk_->at]; }

Entries::Iterator& Entries::Iterator::operator++() {
  if (++walk_->at == walk_->page.size()) walk_->turn_page();
  return *this;
}

bool Entries::Iterator::done() const noexcept { return walk_->at >= walk_->page.size(); }

}  // namespace dcache
