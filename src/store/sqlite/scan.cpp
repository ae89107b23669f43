// SPDX-License-Identifier: Apache-2.0
//
// Walking over entries. A walk over everything goes by id or by key; one with other conditions first notes
// the ids that meet them (8 bytes each) from an index. In all cases nothing is open between pages.
#include <algorithm>
#include <iterator>
#include <limits>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/sqlite/errors.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/value_row.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::int64_t kPageRows = 100;
/// Bytes of values after which a page ends early.
constexpr std::uint64_t kPageBytesOfValues = 8U << 20;

using Ids = std::vector<std::int64_t>;

Ids ids_with_prefix(Connection& connection, std::string_view prefix) {
  Ids ids;
  Statement row = connection.use(Sql::ids_with_prefix);
  row.bind(1, prefix);
  while (connection.step(row, "list keys") && row.bytes(1).starts_with(prefix)) ids.push_back(row.number(0));
  return ids;
}

Ids ids_with_tag(Connection& connection, std::string_view tag) {
  Ids ids;
  Statement row = connection.use(Sql::ids_with_tag);
  row.bind(1, tag);
  while (connection.step(row, "list tags")) ids.push_back(row.number(0));
  return ids;
}

Ids ids_with_tags(Connection& connection, const Tags& tags, Match match) {
  Ids ids = ids_with_tag(connection, tags.names().front());
  for (std::size_t i = 1; i < tags.size(); ++i) {
    const Ids more = ids_with_tag(connection, tags.names()[i]);
    Ids merged;
    if (match == Match::all) {
      std::set_intersection(ids.begin(), ids.end(), more.begin(), more.end(), std::back_inserter(merged));
    } else {
      std::set_union(ids.begin(), ids.end(), more.begin(), more.end(), std::back_inserter(merged));
    }
    ids = std::move(merged);
  }
  return ids;
}

/// Ids in the order of their keys: the index is walked once, and what is not wanted passed over.
Ids by_key(Connection& connection, const Ids& wanted, std::string_view prefix) {
  Ids ids = ids_with_prefix(connection, prefix);
  std::erase_if(ids, [&](std::int64_t id) { return !std::binary_search(wanted.begin(), wanted.end(), id); });
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

/// The smallest bytes that are greater than all that begin with `prefix`; what no key reaches if there are
/// none.
std::string behind_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
  if (prefix.empty()) return std::string(kMaxKeyBytes + 1, '\xFF');
  ++prefix.back();
  return prefix;
}

}  // namespace

class PagedScan final : public Scan {
 public:
  PagedScan(SqliteStore& store, EntryFilter filter) : store_(store), filter_(std::move(filter)) {
    Read read(store_);
    const bool by_key_alone = filter_.order == Order::key && filter_.tags.empty();
    if (by_key_alone) key_ = filter_.reverse ? behind_prefix(filter_.prefix) : filter_.prefix;
    if (by_key_alone || (filter_.prefix.empty() && filter_.tags.empty())) {
      // What is stored from now on is left out: a key removed and stored again behind the walk would come
      // twice, and a walk beside a busy writer would not end.
      Statement newest = read->use(Sql::last_id);
      if (read->step(newest, "find the newest value")) last_ = newest.number(0);
      return;
    }
    ids_ = filter_.tags.empty() ? ids_with_prefix(*read, filter_.prefix)
                                : ids_with_tags(*read, filter_.tags, filter_.match);
    if (filter_.order == Order::key) {
      ids_ = by_key(*read, *ids_, filter_.prefix);
    } else if (filter_.tags.empty()) {
      std::sort(ids_->begin(), ids_->end());
    }
    if (filter_.reverse) std::reverse(ids_->begin(), ids_->end());
  }

  void next(std::vector<Entry>& page) override {
    page.clear();
    places_.clear();
    const std::int64_t now = platform::now().unix_nanoseconds();
    // A page whose entries have all expired or gone must not look like the end.
    while (page.empty() && !ended_) {
      bytes_ = 0;
      {
        Read read(store_);
        ids_ ? next_by_id(*read, now, page) : next_in_order(*read, now, page);
      }
      load_files(page);
    }
  }

 private:
  void next_in_order(Connection& connection, std::int64_t now, std::vector<Entry>& page) {
    const bool by_key = key_.has_value();
    Statement row = connection.use(by_key ? (filter_.reverse ? Sql::keys_down : Sql::keys_up)
                                          : (filter_.reverse ? Sql::page_down : Sql::page_up));
    // Bound bytes are not copied, and the position moves while rows are read.
    const std::string from = key_.value_or(std::string());
    if (by_key) {
      row.bind(1, std::string_view(from));
    } else {
      row.bind(1, filter_.reverse ? -after_ : after_);
    }
    row.bind(2, kPageRows).bind(3, last_);
    std::int64_t rows = 0;
    bool more = true;
    bool behind = false;
    for (; bytes_ < kPageBytesOfValues && (more = connection.step(row, "list entries")); ++rows) {
      const std::string_view key = row.bytes(kKeyColumn);
      behind = by_key && !key.starts_with(filter_.prefix);
      if (behind) break;
      if (by_key) {
        if (filter_.reverse ? key >= *key_ : key < *key_) throw_out_of_order(connection.path());
        key_ = key;
        if (!filter_.reverse) *key_ += '\0';
      } else {
        const std::int64_t id = filter_.reverse ? -row.number(kIdColumn) : row.number(kIdColumn);
        if (id <= after_) throw_out_of_order(connection.path());
        after_ = id;
      }
      add(row, key, by_key ? 0 : row.number(kIdColumn), connection.path(), now, page);
    }
    ended_ = behind || (!more && rows < kPageRows);
  }

  void next_by_id(Connection& connection, std::int64_t now, std::vector<Entry>& page) {
    const std::size_t end = std::min(at_ + static_cast<std::size_t>(kPageRows), ids_->size());
    for (; at_ < end && bytes_ < kPageBytesOfValues; ++at_) {
      Statement row = connection.use(Sql::entry_by_id);
      row.bind(1, (*ids_)[at_]);
      // Since the id was noted its row may have gone, and another key may have got the same id.
      if (connection.step(row, "list entries")) {
        add(row, row.bytes(kKeyColumn), (*ids_)[at_], connection.path(), now, page);
      }
    }
    ended_ = at_ == ids_->size();
  }

  void add(const Statement& row, std::string_view key, std::int64_t place, const std::string& path,
           std::int64_t now, std::vector<Entry>& page) {
    const RowHead head = head_of(row, key);
    if (expired(head, now)) return;
    Entry entry = entry_of(row, head, path);
    if (!selected(entry, filter_)) return;
    if (filter_.values && !head.file.empty()) in_files_.push_back(page.size());
    if (filter_.values && head.file.empty()) entry.value = verified_value(row, head, path);
    if (filter_.values) bytes_ += entry.size;
    page.push_back(std::move(entry));
    places_.push_back(place);
  }

  /// Values in files are read when no statement is open, each as `entry` does it.
  void load_files(std::vector<Entry>& page) {
    for (; !in_files_.empty(); in_files_.pop_back()) {
      const auto at = page.begin() + static_cast<std::ptrdiff_t>(in_files_.back());
      std::optional<Entry> whole = store_.entry(at->key);
      if (whole && selected(*whole, filter_)) {
        *at = *std::move(whole);
      } else {
        page.erase(at);
        places_.erase(places_.begin() + static_cast<std::ptrdiff_t>(in_files_.back()));
      }
    }
  }

  SqliteStore& store_;
  const EntryFilter filter_;
  std::optional<Ids> ids_;
  std::optional<std::string> key_;     ///< where to go on, in order of keys
  std::vector<std::size_t> in_files_;  ///< entries of the page whose values are still to be read
  std::uint64_t bytes_ = 0;            ///< of the values on the page
  std::size_t at_ = 0;
  std::int64_t after_ = -std::numeric_limits<std::int64_t>::max();
  std::int64_t last_ = 0;
  bool ended_ = false;
};

std::vector<std::string> SqliteStore::keys(std::string_view low, std::string_view high, Direction direction,
                                           std::size_t limit) {
  check_moved_sometimes();
  std::vector<std::string> found;
  const bool up = direction == Direction::up;
  Read read(*this, limit == 1 ? Read::Extent::single_row : Read::Extent::rows);
  Statement row = read->use(up ? Sql::names_up : Sql::names_down);
  row.bind(1, low).bind(2, high).bind(3, static_cast<std::int64_t>(limit));
  while (read->step(row, "list keys")) {
    const std::string_view key = row.bytes(0);
    if (!found.empty() && (up ? key <= found.back() : key >= found.back())) {
      throw_out_of_order(read->path());
    }
    found.emplace_back(key);
  }
  return found;
}

std::unique_ptr<Scan> SqliteStore::scan(const EntryFilter& filter) {
  return std::make_unique<PagedScan>(*this, filter);
}

}  // namespace dcache::store::sqlite
