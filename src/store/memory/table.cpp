// SPDX-License-Identifier: Apache-2.0
#include "store/memory/table.hpp"

#include <algorithm>
#include <limits>

namespace dcache::store::memory {

namespace {

/// About what the maps and the strings' heads take for one entry.
constexpr std::uint64_t kEntryOverhead = 256;

void count(Table::Totals& totals, std::string_view key, const Item& item) noexcept {
  totals.entries += 1;
  totals.value_bytes += item.bytes->size();
  totals.cost += cost(key, item);
}

void discount(Table::Totals& totals, std::string_view key, const Item& item) noexcept {
  totals.entries -= 1;
  totals.value_bytes -= item.bytes->size();
  totals.cost -= cost(key, item);
}

}  // namespace

bool Item::has_tag(const std::string& tag) const { return std::binary_search(tags.begin(), tags.end(), tag); }

std::uint64_t cost(std::string_view key, const Item& item) noexcept {
  std::uint64_t sum = kEntryOverhead + key.size() + item.bytes->size();
  for (const std::string& tag : item.tags) sum += tag.size();
  return sum;
}

Table::Found Table::at(std::uint64_t place, View view) const {
  const auto row = by_place_.find(place);
  if (row == by_place_.end()) return {};
  // A key that was removed and stored again has two places until that is committed.
  const Item* const item = row->second->second.seen(view);
  if (item == nullptr || item->place != place) return {};
  return {.key = &row->second->first, .item = item};
}

std::uint64_t Table::expired(Timestamp now, View view) const {
  std::uint64_t number = 0;
  for (const auto& [expires, place] : by_expiry_) {
    if (expires > now) break;
    const Item* const item = at(place, view).item;
    if (item != nullptr && item->expires == expires) ++number;
  }
  return number;
}

std::vector<std::string> Table::tags(View view) const {
  std::vector<std::string> used;
  for (const auto& [tag, places] : by_tag_) {
    const bool in_use = std::any_of(places.begin(), places.end(), [&, &name = tag](std::uint64_t place) {
      const Item* const item = at(place, view).item;
      return item != nullptr && item->has_tag(name);
    });
    if (in_use) used.push_back(tag);
  }
  return used;
}

Table::Places Table::beyond(std::uint64_t place, Direction direction, std::size_t limit) const {
  Places places;
  if (direction == Direction::up) {
    auto row = by_place_.upper_bound(place);
    for (; row != by_place_.end() && places.size() < limit; ++row) places.push_back(row->first);
  } else {
    auto row = by_place_.lower_bound(place);
    while (row != by_place_.begin() && places.size() < limit) places.push_back((--row)->first);
  }
  return places;
}

Table::Places Table::tagged_beyond(const std::string& tag, std::uint64_t place, std::size_t limit) const {
  Places places;
  const auto tagged = by_tag_.find(tag);
  if (tagged == by_tag_.end()) return places;
  auto at = tagged->second.upper_bound(place);
  for (; at != tagged->second.end() && places.size() < limit; ++at) places.push_back(*at);
  return places;
}

std::vector<Table::Expiry> Table::expiring_beyond(const Expiry& seen, Timestamp end,
                                                  std::size_t limit) const {
  std::vector<Expiry> expiring;
  auto at = by_expiry_.upper_bound(seen);
  for (; at != by_expiry_.end() && at->first <= end && expiring.size() < limit; ++at) expiring.push_back(*at);
  return expiring;
}

void Table::put(std::string_view key, Item item, Versions versions) {
  const Item* const old = find(key, View::writer);
  ++newest_;
  if (versions == Versions::by_clock) {
    const std::int64_t now = std::max<std::int64_t>(item.stored.unix_nanoseconds(), 0);
    newest_ = std::max(newest_, static_cast<std::uint64_t>(now));
  }
  item.version = newest_;
  item.place = old != nullptr ? old->place : item.version;
  write(key, std::move(item));
}

void Table::retime(std::string_view key, std::optional<Timestamp> expires) {
  const Item* const old = find(key, View::writer);
  if (old == nullptr) return;
  Item item = *old;
  item.expires = expires;
  write(key, std::move(item));
}

void Table::erase(std::string_view key) {
  if (find(key, View::writer) != nullptr) write(key, std::nullopt);
}

void Table::write(std::string_view key, std::optional<Item> item) {
  Totals totals = pending_;
  if (const Item* const old = find(key, View::writer)) discount(totals, key, *old);
  if (item) count(totals, key, *item);
  const auto row = values_.write(key, std::move(item),
                                 [this](const Item& gone, const Item* stays) { unindex(gone, stays); });
  pending_ = totals;
  if (row->second.pending) index(row);
}

void Table::index(Row row) {
  const Item& item = *row->second.pending;
  by_place_.emplace(item.place, row);
  for (const std::string& tag : item.tags) by_tag_[tag].insert(item.place);
  if (item.expires) by_expiry_.emplace(*item.expires, item.place);
}

void Table::unindex(const Item& gone, const Item* stays) noexcept {
  if (stays != nullptr && stays->place != gone.place) stays = nullptr;
  if (stays == nullptr) by_place_.erase(gone.place);
  for (const std::string& tag : gone.tags) {
    if (stays != nullptr && stays->has_tag(tag)) continue;
    const auto tagged = by_tag_.find(tag);
    if (tagged == by_tag_.end()) continue;
    tagged->second.erase(gone.place);
    if (tagged->second.empty()) by_tag_.erase(tagged);
  }
  if (gone.expires && (stays == nullptr || stays->expires != gone.expires)) {
    by_expiry_.erase({*gone.expires, gone.place});
  }
}

void Table::settle(Settle how) noexcept {
  values_.settle(how, [this](const Item& gone, const Item* stays) { unindex(gone, stays); });
  (how == Settle::commit ? committed_ : pending_) = how == Settle::commit ? pending_ : committed_;
}

}  // namespace dcache::store::memory
