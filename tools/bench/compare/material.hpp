// SPDX-License-Identifier: Apache-2.0
//
// Which keys are used, and how often each: the same for all peers, in whatever language.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "workload.hpp"

namespace bench::compare {

/// The numbers of keys that are never stored, and of those that are stored under a tag, begin here.
inline constexpr std::uint64_t kAbsent = std::uint64_t{1} << 62U;
inline constexpr std::uint64_t kTagged = std::uint64_t{1} << 61U;

/// A key and its number, which its values carry: one that is found under another key is noticed.
struct Key {
  explicit Key(std::uint64_t number);
  std::uint64_t number;
  std::string text;  ///< 21 bytes; keys of neighbouring numbers have nothing to do with each other
};

/// Different numbers for different numbers, in no order. (The finaliser of SplitMix64.)
[[nodiscard]] std::uint64_t mix(std::uint64_t number) noexcept;

[[nodiscard]] std::vector<Key> keys_of(const std::vector<std::uint64_t>& numbers);
/// `count` keys from number `first` on.
[[nodiscard]] std::vector<Key> keys_from(std::uint64_t first, std::size_t count);

/// Ranks from 0 on of which the first come most often: rank r with a weight of 1 / (r + 1)^0.99, as in YCSB.
/// After Gray, Sundaresan, Englert, Baclawski and Weinberger, "Quickly Generating Billion-Record Synthetic
/// Databases".
class Zipf {
 public:
  explicit Zipf(std::uint64_t count);
  [[nodiscard]] std::uint64_t operator()(Random& random) const;

 private:
  double count_;
  double zeta_;
  double eta_;
};

/// From 0 up to, not including, 1.
[[nodiscard]] double fraction(Random& random) noexcept;

}  // namespace bench::compare
