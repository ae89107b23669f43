// SPDX-License-Identifier: Apache-2.0
//
// A state of the explored world: the record and what each agent is at, in sixteen bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "machine/records.hpp"

namespace dcache::test {

/// Where an agent is. One that has somebody to wake does that before anything else.
enum class At : unsigned {
  idle,
  join,  ///< has loaded its wake word and goes for a transaction
  read,  ///< was woken, has loaded its wake word and goes to read the record
  sleep,
  hold,
  dead,
};

struct Process {
  At at = At::idle;
  Agents to_wake = 0;
  Agents watch = 0;
  Next next = Next::never;
  bool moved = false;    ///< its wake word, since it loaded that
  bool waits = false;    ///< has a ticket
  unsigned ask = 0;      ///< which of its asks
  unsigned levels = 0;   ///< of what it believes to hold
  bool excused = false;  ///< its lease is over or it was cleared: it may not hold what it believes to
  bool stopped = false;

  [[nodiscard]] bool runs() const { return at != At::dead && !stopped; }
};

struct State {
  RecordId record = 0;
  std::array<Process, kMostAgents> all{};
  unsigned crashes = 0;
  unsigned stops = 0;
  unsigned leaves = 0;
  unsigned clears = 0;

  [[nodiscard]] Agents dead() const {
    Agents set = 0;
    for (unsigned i = 0; i < kMostAgents; ++i) {
      if (all[i].at == At::dead) set |= 1U << i;
    }
    return set;
  }
  [[nodiscard]] bool any_stopped() const {
    return std::any_of(all.begin(), all.end(), [](const Process& one) { return one.stopped; });
  }
};

struct Packed {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Packed&, const Packed&) = default;
};

[[nodiscard]] Packed pack(const State& state);
[[nodiscard]] State unpack(const Packed& packed);

/// `agents` under their new numbers.
[[nodiscard]] Agents renamed(Agents agents, const Order& to);

/// Agents that may ask for the same are alike: which of them is which does not matter. Gives those of one
/// class new numbers, so that most states that only differ in that become one, and says which.
[[nodiscard]] Order make_canonical(State& state, Records& records,
                                   const std::array<unsigned, kMostAgents>& classes);

}  // namespace dcache::test
