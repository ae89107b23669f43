// SPDX-License-Identifier: Apache-2.0
//
// The memory engine's table from inside: that its indexes hold what they should, and nothing that is gone.
#include <limits>
#include <map>
#include <random>
#include <set>

#include "store/memory/table.hpp"
#include "support/check.hpp"

namespace {

using dcache::store::memory::cost;
using dcache::store::memory::Item;
using dcache::store::memory::Settle;
using dcache::store::memory::Table;
using dcache::store::memory::View;

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr Table::Expiry kBeforeAll{Timestamp::from_unix_nanoseconds(std::numeric_limits<std::int64_t>::min()),
                                   0};

const std::vector<std::string> kTags = {"a", "b", "c"};

/// Fails the test unless all that leads to the rows is there once, and there is no more of it than that.
void check_settled(const Table& table) {
  std::set<std::uint64_t> places;
  std::map<std::string, std::set<std::uint64_t>> tagged;
  std::set<Table::Expiry> expiring;
  Table::Totals totals;
  for (const auto& [key, row] : table.rows()) {
    const Item* const item = row.seen(View::committed);
    REQUIRE(item != nullptr);
    CHECK(row.seen(View::writer) == item);
    CHECK(table.at(item->place, View::committed).item == item);
    places.insert(item->place);
    for (const std::string& tag : item->tags) tagged[tag].insert(item->place);
    if (item->expires) expiring.emplace(*item->expires, item->place);
    ++totals.entries;
    totals.value_bytes += item->bytes->size();
    totals.cost += cost(key, *item);
  }
  const auto same = [](const auto& found, const auto& expected) {
    return std::equal(found.begin(), found.end(), expected.begin(), expected.end());
  };
  CHECK(same(table.beyond(0, Table::Direction::up, kAll), places));
  for (const std::string& tag : kTags) CHECK(same(table.tagged_beyond(tag, 0, kAll), tagged[tag]));
  const Timestamp end = Timestamp::from_unix_nanoseconds(std::numeric_limits<std::int64_t>::max());
  CHECK(same(table.expiring_beyond(kBeforeAll, end, kAll), expiring));
  for (const View view : {View::committed, View::writer}) {
    CHECK(table.totals(view).entries == totals.entries);
    CHECK(table.totals(view).value_bytes == totals.value_bytes);
    CHECK(table.totals(view).cost == totals.cost);
  }
}

}  // namespace

TEST_CASE("after any changes, committed or not, the memory engine's indexes fit its rows") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Table table;
  for (int round = 0; round < 3000; ++round) {
    for (std::uint64_t changes = random() % 6; changes > 0; --changes) {
      const std::string key = std::to_string(random() % 6);
      std::optional<Timestamp> expires;
      if (random() % 2 == 0)
        expires = Timestamp::from_unix_nanoseconds(static_cast<std::int64_t>(random() % 4));
      switch (random() % 4) {
        case 0:
          table.erase(key);
          break;
        case 1:
          table.retime(key, expires);
          break;
        default: {
          Item item;
          item.bytes = std::make_shared<const std::string>(random() % 10, 'v');
          item.expires = expires;
          for (const std::string& tag : kTags) {
            if (random() % 2 == 0) item.tags.push_back(tag);
          }
          table.put(key, std::move(item));
        }
      }
    }
    table.settle(random() % 2 == 0 ? Settle::commit : Settle::rollback);
    check_settled(table);
  }
}
