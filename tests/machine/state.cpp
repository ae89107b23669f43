// SPDX-License-Identifier: Apache-2.0
#include "machine/state.hpp"

#include <bit>
#include <tuple>
#include <utility>

namespace dcache::test {

namespace {

std::uint64_t pack(const Process& one) {
  std::uint64_t out = static_cast<unsigned>(one.at);
  out = out << 4U | one.to_wake;
  out = out << 4U | one.watch;
  out = out << 2U | static_cast<unsigned>(one.next);
  out = out << 2U | one.levels;
  for (const bool bit : {one.ask != 0, one.moved, one.waits, one.excused, one.stopped}) {
    out = out << 1U | static_cast<unsigned>(bit);
  }
  return out;
}

}  // namespace

Packed pack(const State& state) {
  std::uint64_t left = state.crashes;
  for (const unsigned count : {state.stops, state.leaves, state.clears}) left = left << 2U | count;
  const std::uint64_t third = pack(state.all[2]);
  return {.low = pack(state.all[0]) | pack(state.all[1]) << 20U | third << 40U,
          .high = pack(state.all[3]) | left << 20U | std::uint64_t{state.record} << 28U};
}

State unpack(const Packed& packed) {
  const auto process = [](std::uint64_t bits) {
    const auto take = [&](unsigned count) {
      const auto part = static_cast<unsigned>(bits & ((1U << count) - 1U));
      bits >>= count;
      return part;
    };
    Process one;
    one.stopped = take(1) != 0;
    one.excused = take(1) != 0;
    one.waits = take(1) != 0;
    one.moved = take(1) != 0;
    one.ask = take(1);
    one.levels = take(2);
    one.next = static_cast<Next>(take(2));
    one.watch = take(4);
    one.to_wake = take(4);
    one.at = static_cast<At>(take(3));
    return one;
  };
  constexpr std::uint64_t kMask = (1U << 20U) - 1U;
  State state;
  for (unsigned i = 0; i < 3; ++i) state.all[i] = process(packed.low >> (20U * i) & kMask);
  state.all[3] = process(packed.high & kMask);
  const std::uint64_t left = packed.high >> 20U;
  state.clears = static_cast<unsigned>(left & 3U);
  state.leaves = static_cast<unsigned>(left >> 2U & 3U);
  state.stops = static_cast<unsigned>(left >> 4U & 3U);
  state.crashes = static_cast<unsigned>(left >> 6U & 3U);
  state.record = static_cast<RecordId>(packed.high >> 28U);
  return state;
}

Agents renamed(Agents agents, const Order& to) {
  Agents out = 0;
  for (unsigned i = 0; i < kMostAgents; ++i) {
    if ((agents >> i & 1U) != 0) out |= 1U << to[i];
  }
  return out;
}

Order make_canonical(State& state, Records& records, const std::array<unsigned, kMostAgents>& classes) {
  // What tells agents apart, whatever their numbers. Where that is the same they keep their order, which may
  // leave two states in place of one, but never joins two that are different.
  const LockRecord& record = records[state.record];
  std::array<std::tuple<unsigned, std::size_t, std::size_t, std::uint64_t, int, unsigned>, kMostAgents> marks;
  for (unsigned i = 0; i < kMostAgents; ++i) {
    Process one = state.all[i];
    const locking::Wait* const wait = Records::wait(record, i);
    const locking::Hold* const hold = Records::hold(record, i);
    int others = std::popcount(one.to_wake) + 8 * std::popcount(one.watch);
    for (const Process& other : state.all) {
      if ((other.to_wake >> i & 1U) != 0) others += 64;
      if ((other.watch >> i & 1U) != 0) others += 512;
    }
    one.to_wake = one.watch = 0;
    marks[i] = {classes[i],
                wait != nullptr ? static_cast<std::size_t>(wait - record.waiters.data()) + 1 : 0,
                hold != nullptr ? static_cast<std::size_t>(hold - record.holders.data()) + 1 : 0,
                pack(one),
                others,
                i};
  }
  std::array<unsigned, kMostAgents> slots{0, 1, 2, 3};
  std::sort(slots.begin(), slots.end(),
            [&](unsigned a, unsigned b) { return std::pair(classes[a], a) < std::pair(classes[b], b); });
  std::sort(marks.begin(), marks.end());
  Order to{};
  for (unsigned i = 0; i < kMostAgents; ++i) to[std::get<5>(marks[i])] = slots[i];
  if (std::is_sorted(to.begin(), to.end())) return to;
  const State before = state;
  for (unsigned i = 0; i < kMostAgents; ++i) {
    Process& one = state.all[to[i]];
    one = before.all[i];
    one.to_wake = renamed(one.to_wake, to);
    one.watch = renamed(one.watch, to);
  }
  state.record = records.renamed(state.record, to);
  return to;
}

}  // namespace dcache::test
