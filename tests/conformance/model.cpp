// SPDX-License-Identifier: Apache-2.0
#include "conformance/model.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace dcache::test {

bool matches(const std::vector<std::string>& tags, const std::vector<std::string>& wanted, Match match) {
  const auto has = [&](const std::string& tag) {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
  };
  return match == Match::all ? std::all_of(wanted.begin(), wanted.end(), has)
                             : std::any_of(wanted.begin(), wanted.end(), has);
}

const Model::Row* Model::find(const std::string& key) const {
  const auto row = rows_.find(key);
  return row == rows_.end() || row->second.dead ? nullptr : &row->second;
}

void Model::put(const std::string& key, Row row) {
  const auto old = rows_.find(key);
  ++places_;
  row.place = old != rows_.end() && !old->second.dead ? old->second.place : places_;
  row.loose = old != rows_.end() && (old->second.dead || old->second.loose);
  rows_[key] = std::move(row);
}

Model::Bounds Model::evict(const std::vector<std::string>& tags, Match match) {
  Bounds removed;
  for (const auto& [key, row] : rows_) {
    if (!matches(row.tags, tags, match)) continue;
    ++removed.most;
    if (!row.dead) ++removed.least;
  }
  std::erase_if(rows_,
                [&](const auto& row) { return !row.second.dead && matches(row.second.tags, tags, match); });
  return removed;
}

Model::Bounds Model::clear() {
  const Bounds removed = count();
  rows_.clear();
  return removed;
}

Model::Bounds Model::sweep() {
  const Bounds all = count();
  std::erase_if(rows_, [](const auto& row) { return row.second.dead; });
  return {.least = 0, .most = all.most - all.least};
}

std::vector<Model::Listed> Model::list(const EntryFilter& filter) const {
  std::vector<Listed> listed;
  for (const auto& [key, row] : rows_) {
    if (row.dead || !key.starts_with(filter.prefix)) continue;
    if (!filter.tags.empty() && !matches(row.tags, filter.tags.names(), filter.match)) continue;
    listed.push_back({key, row});
  }
  if (filter.order == Order::inserted) {
    std::sort(listed.begin(), listed.end(),
              [](const auto& a, const auto& b) { return a.row.place < b.row.place; });
  }
  if (filter.reverse) std::reverse(listed.begin(), listed.end());
  return listed;
}

Model::Bounds Model::count() const {
  Bounds number;
  for (const auto& [key, row] : rows_) {
    ++number.most;
    if (!row.dead) ++number.least;
  }
  return number;
}

Model::Bounds Model::value_bytes() const {
  Bounds bytes;
  for (const auto& [key, row] : rows_) {
    bytes.most += row.value.size();
    if (!row.dead) bytes.least += row.value.size();
  }
  return bytes;
}

Model::Bounds Model::tags() const {
  std::set<std::string> all;
  std::set<std::string> live;
  for (const auto& [key, row] : rows_) {
    all.insert(row.tags.begin(), row.tags.end());
    if (!row.dead) live.insert(row.tags.begin(), row.tags.end());
  }
  return {.least = live.size(), .most = all.size()};
}

}  // namespace dcache::test
