// SPDX-License-Identifier: Apache-2.0
#include "recipes/sha256.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace dcache::recipes {

namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kRounds = 64;
using Words = std::array<std::uint32_t, 8>;

constexpr std::array<std::uint32_t, kRounds> primes() {
  std::array<std::uint32_t, kRounds> found{};
  std::size_t count = 0;
  for (std::uint32_t n = 2; count < kRounds; ++n) {
    bool prime = true;
    for (std::uint32_t d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
    if (prime) found[count++] = n;
  }
  return found;
}

/// The first 32 bits of the fractional part of the square or cube root of n: that of n * 2^(32 * power),
/// whole, by halving.
constexpr std::uint32_t root_bits(std::uint32_t n, int power) {
  __extension__ using Wide = unsigned __int128;
  std::uint64_t low = 0;
  std::uint64_t high = std::uint64_t{1} << 40;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    // Of n * 2^96 and its cube root the last bits are left out, as 128 bits cannot hold both.
    const Wide square = static_cast<Wide>(middle) * middle;
    const bool above =
        power == 2 ? square > (static_cast<Wide>(n) << 64) : square > (static_cast<Wide>(n) << 96) / middle;
    (above ? high : low) = middle;
  }
  return static_cast<std::uint32_t>(low);
}

constexpr auto kPrimes = primes();

constexpr Words start() {
  Words words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = root_bits(kPrimes[i], 2);
  return words;
}

constexpr std::array<std::uint32_t, kRounds> constants() {
  std::array<std::uint32_t, kRounds> words{};
  for (std::size_t i = 0; i < kRounds; ++i) words[i] = root_bits(kPrimes[i], 3);
  return words;
}

constexpr Words kStart = start();
constexpr auto kConstants = constants();

void add_block(Words& hash, std::string_view block) {
  std::array<std::uint32_t, kRounds> w{};
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 4; ++j) w[i] = w[i] << 8 | static_cast<unsigned char>(block[4 * i + j]);
  }
  for (std::size_t i = 16; i < kRounds; ++i) {
    const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = hash;
  for (std::size_t i = 0; i < kRounds; ++i) {
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t choice = (e & f) ^ (~e & g);
    const std::uint32_t t1 = h + s1 + choice + kConstants[i] + w[i];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + s0 + majority;
  }
  const Words added{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < hash.size(); ++i) hash[i] += added[i];
}

}  // namespace

std::string sha256(std::string_view bytes) {
  Words hash = kStart;
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  while (bytes.size() >= kBlock) {
    add_block(hash, bytes.substr(0, kBlock));
    bytes.remove_prefix(kBlock);
  }
  std::string last(bytes);
  last += '\x80';
  last.resize(last.size() <= kBlock - 8 ? kBlock - 8 : 2 * kBlock - 8);
  for (int shift = 56; shift >= 0; shift -= 8) last += static_cast<char>(bits >> shift);
  for (std::size_t at = 0; at < last.size(); at += kBlock) {
    add_block(hash, std::string_view(last).substr(at, kBlock));
  }

  std::string digits;
  for (const std::uint32_t word : hash) {
    for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[word >> shift & 15];
  }
  return digits;
}

}  // namespace dcache::recipes
