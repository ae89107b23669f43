// SPDX-License-Identifier: Apache-2.0
//
// Walking over entries in order of insertion. A walk over everything goes by id; one with a condition first
// notes the ids that meet it (8 bytes each) from an index. In both cases nothing is open between pages.
#include <algorithm>
#include <iterator>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/row.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_row.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::int64_t kPageRows = 100;

using Ids = std::vector<std::int64_t>;

Ids ids_with_prefix(Connection& connection, std::string_view prefix) {
  Ids ids;
  Statement row = connection.use(Sql::ids_with_prefix);
  row.bind(1, prefix);
  while (connection.step(row, "list keys") && row.bytes(1).starts_with(prefix)) ids.push_back(row.number(0));
  std::sort(ids.begin(), ids.end());
  return ids;
}

Ids ids_with_tag(Connection& connection, std::string_view tag) {
  Ids ids;
  Statement row = connection.use(Sql::ids_with_tag);
  row.bind(1, tag);
  while (connection.step(row, "list tags")) ids.push_back(row.number(0));
  return ids;
}

Ids intersection(const Ids& a, const Ids& b) {
  Ids both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

Ids ids_with_tags(Connection& connection, const Tags& tags, Match match) {
  Ids ids = ids_with_tag(connection, tags.names().front());
  for (std::size_t i = 1; i < tags.size(); ++i) {
    const Ids more = ids_with_tag(connection, tags.names()[i]);
    if (match == Match::all) {
      ids = intersection(ids, more);
    } else {
      Ids either;
      std::set_union(ids.begin(), ids.end(), more.begin(), more.end(), std::back_inserter(either));
      ids = std::move(either);
    }
  }
  return ids;
}

bool selected(const Entry& entry, const EntryFilter& filter) {
  if (!entry.key.starts_with(filter.prefix)) return false;
  if (filter.tags.empty()) return true;
  const auto has = [&](const std::string& tag) {
    return std::binary_search(entry.tags.begin(), entry.tags.end(), tag);
  };
  return filter.match == Match::all ? std::all_of(filter.tags.begin(), filter.tags.end(), has)
                                    : std::any_of(filter.tags.begin(), filter.tags.end(), has);
}

}  // namespace

class PagedScan final : public Scan {
 public:
  PagedScan(SqliteStore& store, EntryFilter filter) : store_(store), filter_(std::move(filter)) {
    Read read(store_);
    if (filter_.prefix.empty() && filter_.tags.empty()) {
      // What is stored from now on is left out: a key removed and stored again behind the walk would come
      // twice, and a walk beside a busy writer would not end.
      Statement newest = read->use(Sql::last_id);
      if (read->step(newest, "find the newest value")) last_ = newest.number(0);
      return;
    }
    if (filter_.tags.empty()) {
      ids_ = ids_with_prefix(*read, filter_.prefix);
    } else {
      ids_ = ids_with_tags(*read, filter_.tags, filter_.match);
      if (!filter_.prefix.empty()) ids_ = intersection(*ids_, ids_with_prefix(*read, filter_.prefix));
    }
  }

  void next(std::vector<Entry>& page) override {
    page.clear();
    const std::int64_t now = platform::now().unix_nanoseconds();
    Read read(store_);
    // A page whose entries have all expired or gone must not look like the end.
    while (page.empty() && !ended_) ids_ ? next_by_id(*read, now, page) : next_in_row(*read, now, page);
  }

 private:
  void next_in_row(Connection& connection, std::int64_t now, std::vector<Entry>& page) {
    Statement row = connection.use(Sql::scan);
    row.bind(1, after_).bind(2, kPageRows).bind(3, last_);
    std::int64_t rows = 0;
    for (; connection.step(row, "list entries"); ++rows) {
      after_ = row.number(7);
      add(row, row.bytes(6), connection.path(), now, page);
    }
    ended_ = rows < kPageRows;
  }

  void next_by_id(Connection& connection, std::int64_t now, std::vector<Entry>& page) {
    const std::size_t end = std::min(at_ + static_cast<std::size_t>(kPageRows), ids_->size());
    for (; at_ < end; ++at_) {
      Statement row = connection.use(Sql::entry_by_id);
      row.bind(1, (*ids_)[at_]);
      // Since the id was noted its row may have gone, and another key may have got the same id.
      if (connection.step(row, "list entries")) add(row, row.bytes(6), connection.path(), now, page);
    }
    ended_ = at_ == ids_->size();
  }

  void add(const Statement& row, std::string_view key, const std::string& path, std::int64_t now,
           std::vector<Entry>& page) const {
    const RowHead head = head_of(row, key);
    if (expired(head, now)) return;
    Entry entry = entry_of(row, head, path, filter_.values);
    if (selected(entry, filter_)) page.push_back(std::move(entry));
  }

  SqliteStore& store_;
  const EntryFilter filter_;
  std::optional<Ids> ids_;
  std::size_t at_ = 0;
  std::int64_t after_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t last_ = 0;
  bool ended_ = false;
};

std::unique_ptr<Scan> SqliteStore::scan(const EntryFilter& filter) {
  return std::make_unique<PagedScan>(*this, filter);
}

}  // namespace dcache::store::sqlite
