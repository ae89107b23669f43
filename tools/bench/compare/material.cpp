// SPDX-License-Identifier: Apache-2.0
#include "material.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace bench::compare {

namespace {

constexpr double kTheta = 0.99;
constexpr double kAlpha = 1 / (1 - kTheta);

std::string text_of(std::uint64_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "user:%016llx", static_cast<unsigned long long>(mix(number)));
  return text.data();
}

double zeta(std::uint64_t count) {
  double sum = 0;
  for (std::uint64_t i = 1; i <= count; ++i) sum += std::pow(static_cast<double>(i), -kTheta);
  return sum;
}

}  // namespace

Key::Key(std::uint64_t wanted) : number(wanted), text(text_of(wanted)) {}

std::uint64_t mix(std::uint64_t number) noexcept {
  number += 0x9e3779b97f4a7c15U;
  number = (number ^ (number >> 30U)) * 0xbf58476d1ce4e5b9U;
  number = (number ^ (number >> 27U)) * 0x94d049bb133111ebU;
  return number ^ (number >> 31U);
}

std::vector<Key> keys_of(const std::vector<std::uint64_t>& numbers) {
  return {numbers.begin(), numbers.end()};
}

std::vector<Key> keys_from(std::uint64_t first, std::size_t count) {
  std::vector<Key> keys;
  keys.reserve(count);
  for (std::size_t i = 0; i < count; ++i) keys.emplace_back(first + i);
  return keys;
}

Zipf::Zipf(std::uint64_t count) : count_(static_cast<double>(count)), zeta_(zeta(count)) {
  eta_ = (1 - std::pow(2 / count_, 1 - kTheta)) / (1 - zeta(2) / zeta_);
}

std::uint64_t Zipf::operator()(Random& random) const {
  const double u = fraction(random);
  const double scaled = u * zeta_;
  if (scaled < 1) return 0;
  if (scaled < zeta(2)) return 1;
  return static_cast<std::uint64_t>(std::min(count_ - 1, count_ * std::pow(eta_ * u - eta_ + 1, kAlpha)));
}

double fraction(Random& random) noexcept { return static_cast<double>(random() >> 11U) * 0x1p-53; }

}  // namespace bench::compare
