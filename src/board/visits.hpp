// SPDX-License-Identifier: Apache-2.0
//
// Which entries of a cache with a size limit were used of late: what its policy goes by when something must
// go. One slot an entry, found by the entry's place in the order of insertion, so that neighbours never share
// one. Uses are noted without any lock or write to the database. All of it is hints: what is lost or wrong
// makes a worse choice, once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "dcache/options.hpp"

namespace dcache::board {

/// Whether a policy asks what was used.
[[nodiscard]] constexpr bool goes_by_visits(Policy policy) noexcept {
  return policy == Policy::sieve || policy == Policy::lru || policy == Policy::lfu;
}

// LRU and LFU choose from a sample: some runs of neighbours. From one run alone something would have to go
// although all of it is in use. The first run is the next behind the hand, so that each entry has its turn;
// the others begin at random places. Those alone would hardly ever meet what was stored before a long pause,
// where places are by the clock.
inline constexpr std::size_t kRunsASample = 4;
inline constexpr std::size_t kPlacesARun = 8;
/// From `first` on and before `last`; places by the clock begin far from 0.
[[nodiscard]] std::uint64_t random_place(std::uint64_t first, std::uint64_t last) noexcept;

class Visits {
 public:
  /// What is kept besides the slots; zeros to begin with, as the slots.
  struct Shared {
    std::atomic<std::uint64_t> hand{0};    ///< the place that the search for victims has come to
    std::atomic<std::uint64_t> stored{0};  ///< how many entries were stored: the clock
  };

  /// How many slots serve a cache of that limit in bytes: a power of two. They take up a 64th of it, 16 MiB
  /// at most.
  [[nodiscard]] static std::size_t slots_for(Policy policy, std::uint64_t size_limit) noexcept;
  /// Bytes that the slots take. SIEVE has need of one each.
  [[nodiscard]] static std::size_t bytes_for(Policy policy, std::size_t slots) noexcept;

  /// `memory` keeps the two alive.
  Visits(std::shared_ptr<void> memory, Policy policy, Shared& shared, std::byte* slots,
         std::size_t number) noexcept;
  /// In this process's own memory.
  Visits(Policy policy, std::size_t number);

  [[nodiscard]] Policy policy() const noexcept { return policy_; }
  [[nodiscard]] std::size_t slots() const noexcept { return mask_ + 1; }
  /// Whether it is as a policy needs it under a limit that asks for so many slots.
  [[nodiscard]] bool serves(Policy policy, std::size_t slots) const noexcept {
    return policy_ == policy && this->slots() == slots;
  }

  /// Notes that an entry was read or overwritten.
  void used(std::uint64_t place) noexcept;
  /// Notes that an entry was stored anew.
  void stored(std::uint64_t place) noexcept;

  [[nodiscard]] std::uint64_t hand() const noexcept { return shared_->hand.load(std::memory_order_relaxed); }
  void move_hand(std::uint64_t place) noexcept { shared_->hand.store(place, std::memory_order_relaxed); }

  /// Which of these is to go: its index, or none of them. For SIEVE they are the next behind the hand, in
  /// order of insertion, and the hand moves behind those that it has judged; for others a sample.
  [[nodiscard]] std::optional<std::size_t> victim(std::span<const std::uint64_t> places) noexcept;

 private:
  using Mark = std::atomic<std::uint8_t>;
  using Stamp = std::atomic<std::uint32_t>;
  static_assert(Mark::is_always_lock_free && Stamp::is_always_lock_free);

  [[nodiscard]] Mark& mark(std::uint64_t place) const noexcept {
    return reinterpret_cast<Mark*>(slots_)[place & mask_];
  }
  [[nodiscard]] Stamp& stamp(std::uint64_t place) const noexcept {
    return reinterpret_cast<Stamp*>(slots_)[place & mask_];
  }
  [[nodiscard]] std::uint64_t clock() const noexcept {
    return shared_->stored.load(std::memory_order_relaxed);
  }
  /// How often an entry was used: a logarithm of it, less what time has taken away.
  [[nodiscard]] std::uint32_t frequency(std::uint32_t stamp) const noexcept;
  [[nodiscard]] std::uint32_t period() const noexcept;

  std::shared_ptr<void> memory_;
  Policy policy_;
  Shared* shared_;
  std::byte* slots_;
  std::size_t mask_;
};

}  // namespace dcache::board
