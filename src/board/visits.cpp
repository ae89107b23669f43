// SPDX-License-Identifier: Apache-2.0
#include "board/visits.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>

namespace dcache::board {

namespace {

// An entry takes up 200 bytes and more. What has long been kept shares slots with what comes in unless there
// are some times as many slots as entries: with as many, SIEVE lost 2.5 points of its hit ratio.
constexpr std::uint64_t kPart = 64;
constexpr std::uint64_t kFewestBytes = 4096;
constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 20;

// LFU keeps a logarithm of the number of uses in eight bits, as Redis does: each further step is less likely.
constexpr std::uint32_t kNewFrequency = 5;
constexpr std::uint32_t kHighestFrequency = 255;
constexpr std::uint32_t kStepsAreRarerBy = 10;

std::uint32_t random_number() noexcept {
  static thread_local std::uint64_t state = 0x9E3779B97F4A7C15U ^ reinterpret_cast<std::uintptr_t>(&state);
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<std::uint32_t>(state >> 32);
}

struct OwnMemory {
  explicit OwnMemory(std::size_t bytes) : slots(std::make_unique<std::byte[]>(bytes)) {}
  Visits::Shared shared;
  std::unique_ptr<std::byte[]> slots;
};

}  // namespace

std::uint64_t random_place(std::uint64_t first, std::uint64_t last) noexcept {
  const std::uint64_t random = std::uint64_t{random_number()} << 32 | random_number();
  return last <= first ? first : first + random % (last - first);
}

std::size_t Visits::slots_for(Policy policy, std::uint64_t size_limit) noexcept {
  const std::uint64_t bytes = std::clamp(size_limit / kPart, kFewestBytes, kMostBytes);
  return std::bit_ceil(static_cast<std::size_t>(bytes)) / bytes_for(policy, 1);
}

std::size_t Visits::bytes_for(Policy policy, std::size_t slots) noexcept {
  return slots * (policy == Policy::sieve ? sizeof(Mark) : sizeof(Stamp));
}

Visits::Visits(std::shared_ptr<void> memory, Policy policy, Shared& shared, std::byte* slots,
               std::size_t number) noexcept
    : memory_(std::move(memory)), policy_(policy), shared_(&shared), slots_(slots), mask_(number - 1) {}

Visits::Visits(Policy policy, std::size_t number)
    : policy_(policy), shared_(nullptr), slots_(nullptr), mask_(number - 1) {
  const auto own = std::make_shared<OwnMemory>(bytes_for(policy, number));
  shared_ = &own->shared;
  slots_ = own->slots.get();
  memory_ = own;
}

/// LFU counts in the low eight bits; above them is when it last did, so that old fame fades.
std::uint32_t Visits::period() const noexcept { return static_cast<std::uint32_t>(clock() / slots()); }

std::uint32_t Visits::frequency(std::uint32_t stamp) const noexcept {
  const std::uint32_t age = (period() - (stamp >> 8)) & 0xFFFFFFU;
  const std::uint32_t count = stamp & 0xFFU;
  return count - std::min(age, count);
}

void Visits::used(std::uint64_t place) noexcept {
  switch (policy_) {
    case Policy::sieve:
      // A store that changes nothing would still take the line from the other cores.
      if (mark(place).load(std::memory_order_relaxed) == 0) mark(place).store(1, std::memory_order_relaxed);
      break;
    case Policy::lru:
      if (const auto now = static_cast<std::uint32_t>(clock());
          stamp(place).load(std::memory_order_relaxed) != now) {
        stamp(place).store(now, std::memory_order_relaxed);
      }
      break;
    case Policy::lfu: {
      std::uint32_t count = frequency(stamp(place).load(std::memory_order_relaxed));
      const std::uint32_t above = count - std::min(count, kNewFrequency);
      if (random_number() <= std::numeric_limits<std::uint32_t>::max() / (above * kStepsAreRarerBy + 1)) {
        count = std::min(count + 1, kHighestFrequency);
        stamp(place).store(period() << 8 | count, std::memory_order_relaxed);
      }
      break;
    }
    case Policy::oldest:
    case Policy::none:
      break;
  }
}

void Visits::stored(std::uint64_t place) noexcept {
  const std::uint64_t now = shared_->stored.fetch_add(1, std::memory_order_relaxed) + 1;
  if (policy_ == Policy::sieve) {
    mark(place).store(0, std::memory_order_relaxed);
  } else {
    stamp(place).store(
        policy_ == Policy::lru ? static_cast<std::uint32_t>(now) : period() << 8 | kNewFrequency,
        std::memory_order_relaxed);
  }
}

std::optional<std::size_t> Visits::victim(std::span<const std::uint64_t> places) noexcept {
  if (policy_ == Policy::sieve) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      move_hand(places[i]);
      if (mark(places[i]).exchange(0, std::memory_order_relaxed) == 0) return i;
    }
    return std::nullopt;
  }
  // The one that was used longest ago, or least often.
  std::optional<std::size_t> worst;
  std::uint32_t worth = 0;
  const auto now = static_cast<std::uint32_t>(clock());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::uint32_t seen = stamp(places[i]).load(std::memory_order_relaxed);
    const std::uint32_t mine = policy_ == Policy::lru ? ~(now - seen) : frequency(seen);
    if (worst && mine >= worth) continue;
    worst = i;
    worth = mine;
  }
  return worst;
}

}  // namespace dcache::board
