// SPDX-License-Identifier: Apache-2.0
//
// Walks over several shards: what each gives in order, merged.
#include <algorithm>
#include <functional>
#include <utility>

#include "dcache/error.hpp"
#include "store/sharded/open_transaction.hpp"
#include "store/sharded/route.hpp"

namespace dcache::store::sharded {

namespace {

constexpr std::size_t kPageRows = 100;
/// Bytes of values after which a page ends early.
constexpr std::uint64_t kPageBytes = 8U << 20;

/// One shard's walk, a page at a time.
class Lane {
 public:
  explicit Lane(std::unique_ptr<Scan> scan) : scan_(std::move(scan)) {}

  /// The next entry; none at the end.
  Entry* front() {
    if (at_ == page_.size() && !ended_) {
      at_ = 0;
      scan_->next(page_);
      ended_ = page_.empty();
    }
    return ended_ ? nullptr : &page_[at_];
  }
  [[nodiscard]] std::int64_t place() const { return scan_->places()[at_]; }
  Entry take() { return std::move(page_[at_++]); }

 private:
  std::unique_ptr<Scan> scan_;
  std::vector<Entry> page_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

class MergedScan final : public Scan {
 public:
  MergedScan(std::vector<Lane> lanes, const EntryFilter& filter)
      : lanes_(std::move(lanes)), by_key_(filter.order == Order::key), reverse_(filter.reverse) {}

  void next(std::vector<Entry>& page) override {
    page.clear();
    std::uint64_t bytes = 0;
    while (page.size() < kPageRows && bytes < kPageBytes) {
      Lane* const lane = next_lane();
      if (lane == nullptr) return;
      page.push_back(lane->take());
      bytes += page.back().value.size();
    }
  }

 private:
  Lane* next_lane() {
    Lane* best = nullptr;
    for (Lane& lane : lanes_) {
      if (lane.front() != nullptr && (best == nullptr || comes_before(lane, *best))) best = &lane;
    }
    return best;
  }

  [[nodiscard]] bool comes_before(Lane& a, Lane& b) const {
    if (by_key_) return reverse_ ? a.front()->key > b.front()->key : a.front()->key < b.front()->key;
    return reverse_ ? a.place() > b.place() : a.place() < b.place();
  }

  std::vector<Lane> lanes_;
  const bool by_key_;
  const bool reverse_;
};

}  // namespace

/// The shard of all keys with this prefix, if that can be told.
std::optional<std::size_t> ShardedStore::only_shard(std::string_view prefix) const noexcept {
  if (!part_in_braces(prefix)) return std::nullopt;
  return shard_of(prefix);
}

bool ShardedStore::spreads(std::string_view prefix) const noexcept { return !only_shard(prefix); }

std::unique_ptr<Scan> ShardedStore::scan(const EntryFilter& filter) {
  if (only_shard(filter.prefix)) return home_of(filter.prefix).scan(filter);
  refuse_inside("a listing whose prefix has no whole part in braces");
  std::vector<Lane> lanes;
  for (const std::unique_ptr<Store>& shard : shards_) lanes.emplace_back(shard->scan(filter));
  return std::make_unique<MergedScan>(std::move(lanes), filter);
}

std::vector<std::string> ShardedStore::keys(std::string_view low, std::string_view high, Direction direction,
                                            std::size_t limit) {
  refuse_inside("a list of keys");
  std::vector<std::string> found;
  for (const std::unique_ptr<Store>& shard : shards_) {
    for (std::string& key : shard->keys(low, high, direction, limit)) found.push_back(std::move(key));
  }
  if (direction == Direction::up) {
    std::sort(found.begin(), found.end());
  } else {
    std::sort(found.begin(), found.end(), std::greater<>());
  }
  found.resize(std::min(found.size(), limit));
  return found;
}

}  // namespace dcache::store::sharded
