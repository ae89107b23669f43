// SPDX-License-Identifier: Apache-2.0
//
// Keys and values, the same for all rivals of a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using Random = std::mt19937_64;

/// So many different keys of 21 bytes, in no order.
[[nodiscard]] std::vector<std::string> random_keys(std::size_t count, Random& random);

/// Values of one size that all differ, also from those of another work or process: they are counted from the
/// clock on. SQLite does not write a page that stays as it is, so every 256 bytes something changes.
class Values {
 public:
  explicit Values(std::size_t size);

  /// The next value; valid until the next call.
  [[nodiscard]] std::string_view next() noexcept;
  /// The same, with the number of the key it is for in it. The value has 16 bytes at least.
  [[nodiscard]] std::string_view next_of(std::uint64_t owner) noexcept;

 private:
  std::string bytes_;
  std::uint64_t stamp_;
};

/// Whether it is a value of that size that `next_of` made for that key.
[[nodiscard]] bool belongs_to(std::string_view value, std::uint64_t owner, std::size_t size) noexcept;

/// `count` of the keys: without repeats as long as there are enough.
[[nodiscard]] std::vector<std::string_view> choose(const std::vector<std::string>& keys, std::size_t count,
                                                   Random& random);

}  // namespace bench
