// SPDX-License-Identifier: Apache-2.0
//
// Sleeping until a word in memory changes, also between processes that share that memory. Where the system
// has nothing for it, the sleeper looks a thousand times a second.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace dcache::platform::futex {

using Word = std::atomic<std::uint32_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == sizeof(std::uint32_t));

inline constexpr std::uint32_t kAllBits = 0xFFFF'FFFF;

/// Sleeps while `word` is `seen`, at most until `deadline` (time_point::max() is none). A signal ends it too.
/// Only a wake for one of `bits` ends it early.
void wait(const Word& word, std::uint32_t seen, std::chrono::steady_clock::time_point deadline,
          std::uint32_t bits = kAllBits) noexcept;

/// Wakes all who sleep on `word`. Change it first: who is about to sleep sees only that.
void wake_all(Word& word) noexcept;
/// The same for those who wait for one of `bits`.
void wake(Word& word, std::uint32_t bits) noexcept;

}  // namespace dcache::platform::futex
