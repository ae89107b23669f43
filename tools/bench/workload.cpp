// SPDX-License-Identifier: Apache-2.0
#include "workload.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <numeric>

namespace bench {

std::vector<std::string> random_keys(std::size_t count, Random& random) {
  std::vector<std::string> keys;
  keys.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "user:%016llx", static_cast<unsigned long long>(random()));
    keys.emplace_back(text.data());
  }
  return keys;
}

Values::Values(std::size_t size) : bytes_(size, '\0') {
  Random random(size);
  std::generate(bytes_.begin(), bytes_.end(), [&] { return static_cast<char>(random()); });
}

std::string_view Values::next() noexcept {
  constexpr std::size_t kStep = 256;
  ++stamp_;
  for (std::size_t at = 0; at + sizeof(stamp_) <= bytes_.size(); at += kStep) {
    std::memcpy(bytes_.data() + at, &stamp_, sizeof(stamp_));
  }
  return bytes_;
}

std::vector<std::string_view> choose(const std::vector<std::string>& keys, std::size_t count,
                                     Random& random) {
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::string_view> chosen;
  chosen.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    // As much of a shuffle as is needed, begun anew when all keys are used up.
    const std::size_t at = i % order.size();
    std::swap(order[at], order[at + random() % (order.size() - at)]);
    chosen.emplace_back(keys[order[at]]);
  }
  return chosen;
}

}  // namespace bench
