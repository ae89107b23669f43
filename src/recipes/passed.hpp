// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dcache/error.hpp"
#include "dcache/queue.hpp"
#include "recipes/damage.hpp"

namespace dcache {

/// The items that one call has passed over, so that it comes to an end whatever they are. Damage is told when
/// the call is over, as an error callback must not run inside a transaction.
struct Queue::Passed {
  explicit Passed(const Cache& used) : cache(used.share()) {}
  Passed(const Passed&) = delete;
  Passed& operator=(const Passed&) = delete;
  ~Passed() {
    for (const auto& [key, error] : damage) recipes::tell_damage(*cache.state(), error);
  }

  void damaged(const std::string& key, const Corrupt& error) {
    keys.insert(key);
    damage.emplace_back(key, error);
  }
  [[nodiscard]] bool is_damaged(std::string_view key) const {
    return std::any_of(damage.begin(), damage.end(), [&](const auto& one) { return one.first == key; });
  }
  /// Whether an item that has a lock's record is with a worker. Inside a transaction nobody can tell.
  [[nodiscard]] bool on_lease(const std::string& key);

  Cache cache;
  std::set<std::string, std::less<>> keys;
  std::vector<std::pair<std::string, Corrupt>> damage;
};

/// An item that can be had, as far as one sees.
struct Queue::Candidate {
  std::string key;
  bool was_leased = false;  ///< by a worker that is gone
};

}  // namespace dcache
