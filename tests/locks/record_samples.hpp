// SPDX-License-Identifier: Apache-2.0
//
// Records, wishes and worlds for tests of the machine of locks. Sessions are letters; the dead ones are
// named.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "locks/record.hpp"

namespace dcache::test {

inline constexpr std::int64_t kNow = 1'000'000;

/// `agent` of the session whose letter is `name`.
[[nodiscard]] inline locking::Agent agent(char name, std::uint64_t number = 1) {
  return {.session = std::string(1, name), .agent = number};
}

[[nodiscard]] inline locking::World world(std::string dead = "", std::int64_t now = kNow) {
  return {.boottime_us = now, .wall_us = now, .alive = [dead = std::move(dead)](const std::string& session) {
            return dead.find(session) != std::string::npos ? Liveness::dead : Liveness::alive;
          }};
}

[[nodiscard]] inline locking::Hold hold_of(const locking::Agent& who, std::uint64_t fence = 10,
                                           locking::Mode mode = locking::Mode::exclusive,
                                           std::uint64_t count = 1) {
  locking::Hold hold;
  hold.owner = "1-1";
  hold.who = who;
  hold.fence = fence;
  hold.mode = mode;
  hold.count = count;
  hold.since = kNow;
  return hold;
}

[[nodiscard]] inline locking::Wait wait_of(const locking::Agent& who, std::uint64_t ticket,
                                           locking::Mode mode = locking::Mode::exclusive,
                                           std::uint64_t count = 1) {
  return {.ticket = ticket, .owner = "1-1", .who = who, .mode = mode, .count = count, .since = kNow};
}

[[nodiscard]] inline locking::Wish wish_of(const locking::Agent& who,
                                           locking::Queue queue = locking::Queue::stay_out,
                                           std::uint64_t ticket = 0,
                                           locking::Kind kind = locking::Kind::lock) {
  return {.kind = kind, .limit = 1, .hold = hold_of(who, 0), .ticket = ticket, .queue = queue};
}

/// A wish of the same kind for something else than all of it.
[[nodiscard]] inline locking::Wish shared(locking::Wish wish) {
  wish.kind = locking::Kind::rwlock;
  wish.hold.mode = locking::Mode::shared;
  return wish;
}

[[nodiscard]] inline locking::Wish permits(locking::Wish wish, std::uint64_t count, std::uint64_t limit) {
  wish.kind = locking::Kind::semaphore;
  wish.limit = limit;
  wish.hold.mode = locking::Mode::permits;
  wish.hold.count = count;
  return wish;
}

/// The letters of the sessions to be woken or watched.
[[nodiscard]] inline std::string letters(const std::vector<locking::Agent>& agents) {
  std::string out;
  for (const locking::Agent& one : agents) out += one.session;
  return out;
}

[[nodiscard]] inline std::string letters(const std::vector<std::string>& sessions) {
  std::string out;
  for (const std::string& one : sessions) out += one;
  return out;
}

}  // namespace dcache::test
