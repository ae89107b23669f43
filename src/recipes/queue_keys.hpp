// SPDX-License-Identifier: Apache-2.0
//
// The keys of a queue's items, which hold its order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "cache/state.hpp"
#include "dcache/queue.hpp"

namespace dcache {

namespace queues {

inline constexpr std::size_t kDigits = 19;
inline constexpr char kMark = '#';
/// Most keys looked at in one read.
inline constexpr std::size_t kPage = 256;

[[nodiscard]] inline bool is_item(std::string_view name, std::string_view key) noexcept {
  return key.size() == name.size() + 1 + kDigits && key.starts_with(name) && key[name.size()] == kMark &&
         std::all_of(key.end() - kDigits, key.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// A key that an item could have.
[[nodiscard]] inline std::string any_item(const std::string& name) {
  return name + kMark + std::string(kDigits, '0');
}

}  // namespace queues

template <class F>
void Queue::walk(Side side, F&& f) const {
  // All items of a queue are in one place; in a transaction, which this then is of.
  Store& store = cache_.state()->store().home_of(queues::any_item(name_));
  const bool up = side == Side::front;
  std::string low = name_ + queues::kMark + '0';
  std::string high = name_ + queues::kMark + static_cast<char>('9' + 1);
  for (std::size_t limit = 1;; limit = std::min(limit * 16, queues::kPage)) {
    const std::vector<std::string> page =
        store.keys(low, high, up ? Store::Direction::up : Store::Direction::down, limit);
    for (const std::string& key : page) {
      if (has_key(key) && !f(key)) return;
    }
    if (page.size() < limit) return;
    if (up) {
      low = page.back() + '\0';
    } else {
      high = page.back();
    }
  }
}

}  // namespace dcache
