// SPDX-License-Identifier: Apache-2.0
//
// Walking over entries. A walk in order of key goes along the keys. One in order of insertion goes along the
// places, or, with a prefix or tags, along those noted at its start. Between pages it holds nothing but where
// it was.
#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "platform/clock.hpp"
#include "store/memory/entries.hpp"
#include "store/memory/memory_store.hpp"

namespace dcache::store::memory {

namespace {

constexpr std::size_t kPageRows = 100;

/// Rows looked at before others are let in.
constexpr std::size_t kMostLookedAt = 1000;

/// The first key behind all those that begin with `prefix`; none = the prefix is the end of the alphabet.
std::optional<std::string> behind(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace

class MemoryScan final : public Scan {
 public:
  MemoryScan(MemoryStore& store, const EntryFilter& filter)
      : store_(store), filter_(filter), behind_(behind(filter.prefix)) {
    if (filter_.order == Order::inserted) start();
  }

  void next(std::vector<Entry>& page) override {
    page.clear();
    // What was looked at may all have expired or gone, which must not look like the end.
    std::vector<std::pair<std::string, Item>> found;
    while (found.empty() && !ended_) {
      platform::MutexLock lock(store_.mutex_);
      look(store_.contents_.values, store_.view(), found);
    }
    page.reserve(found.size());
    places_.clear();
    for (const auto& [key, item] : found) {
      page.push_back(entry_of(key, item, filter_.values));
      places_.push_back(static_cast<std::int64_t>(item.place));
    }
  }

 private:
  using Rows = VersionedMap<Item>::Rows;

  void start() {
    platform::MutexLock lock(store_.mutex_);
    const Table& values = store_.contents_.values;
    end_ = values.newest() + 1;
    if (filter_.prefix.empty() && filter_.tags.empty()) {
      if (filter_.reverse) place_ = end_;
      return;
    }
    noted_.emplace();
    if (filter_.tags.empty()) {
      const View view = store_.view();
      const auto end = last(values.rows());
      for (auto row = values.rows().lower_bound(filter_.prefix); row != end; ++row) {
        if (const Item* const item = row->second.seen(view)) noted_->push_back(item->place);
      }
    } else {
      // With `all`, whatever is selected has the first tag.
      const std::size_t to_walk = filter_.match == Match::all ? 1 : filter_.tags.size();
      for (std::size_t i = 0; i < to_walk; ++i) {
        const Table::Places more =
            values.tagged_beyond(filter_.tags.names()[i], 0, std::numeric_limits<std::size_t>::max());
        noted_->insert(noted_->end(), more.begin(), more.end());
      }
    }
    std::sort(noted_->begin(), noted_->end());
    noted_->erase(std::unique(noted_->begin(), noted_->end()), noted_->end());
    if (filter_.reverse) std::reverse(noted_->begin(), noted_->end());
  }

  void look(const Table& values, View view, std::vector<std::pair<std::string, Item>>& found) {
    const Timestamp now = platform::now();
    const auto add = [&](const std::string& key, const Item* item) {
      if (item != nullptr && item->live(now) && selected(key, *item)) found.emplace_back(key, *item);
    };
    if (filter_.order == Order::key) {
      filter_.reverse ? look_down(values.rows(), view, add, found) : look_up(values.rows(), view, add, found);
      return;
    }
    Table::Places places;
    if (noted_) {
      const std::size_t end = std::min(at_ + kPageRows, noted_->size());
      places.assign(std::next(noted_->begin(), std::ptrdiff_t(at_)),
                    std::next(noted_->begin(), std::ptrdiff_t(end)));
      at_ = end;
    } else {
      places =
          values.beyond(place_, filter_.reverse ? Table::Direction::down : Table::Direction::up, kPageRows);
      if (!places.empty()) place_ = places.back();
    }
    ended_ = places.size() < kPageRows || place_ >= end_;
    for (const std::uint64_t place : places) {
      if (place >= end_)
        break;  // stored since: a walk must end, though its reader stores one for every one seen
      const Table::Found row = values.at(place, view);
      if (row.item != nullptr) add(*row.key, row.item);
    }
  }

  template <class Add>
  void look_up(const Rows& rows, View view, Add& add,
               const std::vector<std::pair<std::string, Item>>& found) {
    const auto end = last(rows);
    auto row = key_ ? rows.upper_bound(*key_) : rows.lower_bound(filter_.prefix);
    std::size_t looked_at = 0;
    for (; row != end && found.size() < kPageRows && looked_at < kMostLookedAt; ++row, ++looked_at) {
      add(row->first, row->second.seen(view));
    }
    ended_ = row == end;
    if (!ended_ && looked_at > 0) key_ = std::prev(row)->first;
  }

  template <class Add>
  void look_down(const Rows& rows, View view, Add& add,
                 const std::vector<std::pair<std::string, Item>>& found) {
    const auto end = rows.lower_bound(filter_.prefix);
    auto row = key_ ? rows.lower_bound(*key_) : last(rows);
    std::size_t looked_at = 0;
    for (; row != end && found.size() < kPageRows && looked_at < kMostLookedAt; ++looked_at) {
      --row;
      add(row->first, row->second.seen(view));
    }
    ended_ = row == end;
    if (!ended_ && looked_at > 0) key_ = row->first;
  }

  /// The first row behind those with the prefix.
  [[nodiscard]] Rows::const_iterator last(const Rows& rows) const {
    return behind_ ? rows.lower_bound(*behind_) : rows.end();
  }

  [[nodiscard]] bool selected(const std::string& key, const Item& item) const {
    if (!key.starts_with(filter_.prefix)) return false;
    if (filter_.tags.empty()) return true;
    const auto has = [&](const std::string& tag) { return item.has_tag(tag); };
    return filter_.match == Match::all ? std::all_of(filter_.tags.begin(), filter_.tags.end(), has)
                                       : std::any_of(filter_.tags.begin(), filter_.tags.end(), has);
  }

  MemoryStore& store_;
  const EntryFilter filter_;
  const std::optional<std::string> behind_;
  std::optional<Table::Places> noted_;
  std::size_t at_ = 0;              ///< the next of those noted
  std::uint64_t place_ = 0;         ///< the last place looked at
  std::uint64_t end_ = 0;           ///< behind all places that there were at the start
  std::optional<std::string> key_;  ///< the last key looked at
  bool ended_ = false;
};

std::vector<std::string> MemoryStore::keys(std::string_view low, std::string_view high, Direction direction,
                                           std::size_t limit) {
  std::vector<std::string> found;
  if (low >= high) return found;
  platform::MutexLock lock(mutex_);
  const auto& rows = contents_.values.rows();
  const auto first = rows.lower_bound(low);
  const auto behind = rows.lower_bound(high);
  const auto add = [&](const auto& row) {
    if (row.second.seen(view()) != nullptr) found.push_back(row.first);
  };
  if (direction == Direction::up) {
    for (auto row = first; row != behind && found.size() < limit; ++row) add(*row);
  } else {
    for (auto row = behind; row != first && found.size() < limit;) add(*--row);
  }
  return found;
}

std::unique_ptr<Scan> MemoryStore::scan(const EntryFilter& filter) {
  return std::make_unique<MemoryScan>(*this, filter);
}

}  // namespace dcache::store::memory
