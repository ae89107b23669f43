// SPDX-License-Identifier: Apache-2.0
#include "workload.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <unordered_set>

#include "support.hpp"

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

Values::Values(std::size_t size) : bytes_(size, '\0'), stamp_(now_ns()) {
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

std::string_view Values::next_of(std::uint64_t owner) noexcept {
  static_cast<void>(next());
  std::memcpy(bytes_.data() + sizeof(stamp_), &owner, sizeof(owner));
  return bytes_;
}

bool belongs_to(std::string_view value, std::uint64_t owner, std::size_t size) noexcept {
  return value.size() == size && size >= 2 * sizeof(owner) &&
         std::memcmp(value.data() + sizeof(owner), &owner, sizeof(owner)) == 0;
}

std::vector<std::string_view> choose(const std::vector<std::string>& keys, std::size_t count,
                                     Random& random) {
  std::vector<std::string_view> chosen;
  chosen.reserve(count);
  // Of very many keys a list of all would push everything else out of the processor's caches.
  constexpr std::size_t kFarFewer = 64;
  if (count < keys.size() / kFarFewer) {
    for (std::unordered_set<std::size_t> taken; chosen.size() < count;) {
      const std::size_t at = random() % keys.size();
      if (taken.insert(at).second) chosen.emplace_back(keys[at]);
    }
    return chosen;
  }
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = 0; i < count; ++i) {
    // As much of a shuffle as is needed, begun anew when all keys are used up.
    const std::size_t at = i % order.size();
    std::swap(order[at], order[at + random() % (order.size() - at)]);
    chosen.emplace_back(keys[order[at]]);
  }
  return chosen;
}

}  // namespace bench
