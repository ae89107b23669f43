// SPDX-License-Identifier: Apache-2.0
//
// What is where in the file `board`, in the machine's own byte order. Sections may only be added, together
// with a new layout number; a board of a lower number is replaced, one of a higher number left alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dcache::board {

inline constexpr std::array<char, 16> kMagic{"dcache board\n"};
inline constexpr std::uint32_t kLayout = 5;

struct Header {
  std::array<char, 16> magic{};
  std::uint32_t layout = 0;
  std::uint32_t bytes = 0;      ///< of the whole file
  std::array<char, 64> uuid{};  ///< of the cache, filled up with NUL
};

/// The header has a page, which it shares with single words: later layouts have room there.
inline constexpr std::size_t kAllGenerationAt = 1024;
inline constexpr std::size_t kNextStampAt = 1088;
inline constexpr std::size_t kUnsettledAt = 1152;
inline constexpr std::size_t kBootAt = 1216;
inline constexpr std::size_t kGuestUntilAt = 1280;
inline constexpr std::size_t kCopiedAt = 1344;
inline constexpr std::size_t kLineServedAt = 1408;
inline constexpr std::size_t kLineNextAt = 1472;
inline constexpr std::size_t kLineHeardOfAt = 1536;
inline constexpr std::size_t kWordsAt = 4096;
inline constexpr std::size_t kWords = 4096;
inline constexpr std::size_t kCountersAt = kWordsAt + kWords * sizeof(std::uint32_t);
inline constexpr std::size_t kCounters = 32;
inline constexpr std::size_t kGenerationsAt = kCountersAt + 4096;
inline constexpr std::size_t kGenerations = 65536;
inline constexpr std::size_t kBytes = kGenerationsAt + kGenerations * sizeof(std::uint64_t);
static_assert(kCounters * sizeof(std::uint64_t) <= 4096);

}  // namespace dcache::board
