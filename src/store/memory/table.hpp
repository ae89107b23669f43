// SPDX-License-Identifier: Apache-2.0
//
// The values of a memory store: by key, by place, by tag and by time of expiry. It knows no threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcache/bytes.hpp"
#include "dcache/duration.hpp"
#include "store/memory/versions.hpp"

namespace dcache::store::memory {

/// A stored value. It never changes, so that readers may copy it, its bytes included, without holding others
/// up.
struct Item {
  std::shared_ptr<const std::string> bytes;
  std::optional<Timestamp> expires;
  std::vector<std::string> tags;  ///< sorted
  Timestamp stored;
  Format format = Format::bytes;
  std::uint64_t version = 0;  ///< higher than that of all values stored before
  std::uint64_t place = 0;    ///< version of the key's first value: the order of insertion

  [[nodiscard]] bool live(Timestamp now) const noexcept { return !expires || *expires > now; }
  [[nodiscard]] bool has_tag(const std::string& tag) const;
};

/// What an entry counts for: its bytes, and about what the maps take for it.
std::uint64_t cost(std::string_view key, const Item& item) noexcept;

class Table {
 public:
  using Row = VersionedMap<Item>::Row;

  struct Found {
    const std::string* key = nullptr;
    const Item* item = nullptr;
  };

  struct Totals {
    std::uint64_t entries = 0;
    std::uint64_t value_bytes = 0;
    std::uint64_t cost = 0;
  };

  // Reading. What it returns is good until the next change, and may have expired.

  [[nodiscard]] const Item* find(std::string_view key, View view) const { return values_.seen(key, view); }
  [[nodiscard]] Found at(std::uint64_t place, View view) const;
  [[nodiscard]] const Totals& totals(View view) const noexcept {
    return view == View::writer ? pending_ : committed_;
  }
  [[nodiscard]] std::uint64_t expired(Timestamp now, View view) const;
  [[nodiscard]] std::vector<std::string> tags(View view) const;
  /// The version of the newest value; all that are stored later have a higher one, and so do their places.
  [[nodiscard]] std::uint64_t newest() const noexcept { return newest_; }

  // Walking. Each gives at most `limit` of what comes next, in places.

  using Places = std::vector<std::uint64_t>;
  enum class Direction { up, down };
  /// Those beyond `place`, in order.
  [[nodiscard]] Places beyond(std::uint64_t place, Direction direction, std::size_t limit) const;
  [[nodiscard]] Places tagged_beyond(const std::string& tag, std::uint64_t place, std::size_t limit) const;
  /// Those that expire until `end`, beyond one that has been seen.
  using Expiry = std::pair<Timestamp, std::uint64_t>;
  [[nodiscard]] std::vector<Expiry> expiring_beyond(const Expiry& seen, Timestamp end,
                                                    std::size_t limit) const;

  [[nodiscard]] const VersionedMap<Item>::Rows& rows() const noexcept { return values_.rows(); }

  // Writing. If one throws, the whole must be rolled back.

  enum class Versions { dense, by_clock };
  /// Stores `item`, in the place of an older one if there is one; place and version are set here. By the
  /// clock they can be compared with those of other tables.
  void put(std::string_view key, Item item, Versions versions = Versions::dense);
  void retime(std::string_view key, std::optional<Timestamp> expires);
  void erase(std::string_view key);

  void settle(Settle how) noexcept;

 private:
  void write(std::string_view key, std::optional<Item> item);
  void index(Row row);
  /// Removes what led to `gone` and does not lead to `stays`.
  void unindex(const Item& gone, const Item* stays) noexcept;

  VersionedMap<Item> values_;
  std::map<std::uint64_t, Row> by_place_;
  std::map<std::string, std::set<std::uint64_t>, std::less<>> by_tag_;
  std::set<Expiry> by_expiry_;
  Totals committed_;
  Totals pending_;  ///< as the writer sees them
  std::uint64_t newest_ = 0;
};

}  // namespace dcache::store::memory
