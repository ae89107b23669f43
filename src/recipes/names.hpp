// SPDX-License-Identifier: Apache-2.0
//
// Names and times that recipes share.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "dcache/bytes.hpp"
#include "dcache/duration.hpp"

namespace dcache::recipes {

/// "KIND:KEY": the key of what a recipe keeps for `key`. One that would be too long ends with a hash.
[[nodiscard]] std::string derived_key(std::string_view kind, std::string_view key);

/// "get_or_set of 'KEY'" and the like, for messages.
[[nodiscard]] inline std::string named(std::string_view recipe, std::string_view key) {
  return std::string(recipe) + " of '" + escape(key, 200) + "'";
}

/// How much of a limit is left.
class Countdown {
 public:
  explicit Countdown(Duration limit) : limit_(limit) {}

  [[nodiscard]] std::chrono::nanoseconds elapsed() const { return std::chrono::steady_clock::now() - start_; }
  /// 0 when it is over.
  [[nodiscard]] Duration left() const {
    if (limit_.is_forever()) return forever;
    return std::max(limit_.nanoseconds() - elapsed(), std::chrono::nanoseconds());
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Duration limit_;
};

/// Both together, not beyond `forever`.
[[nodiscard]] inline Duration sum(Duration a, Duration b) {
  const std::chrono::nanoseconds first = a.nanoseconds();
  return first > forever.nanoseconds() - b.nanoseconds() ? forever : Duration(first + b.nanoseconds());
}

}  // namespace dcache::recipes
