// SPDX-License-Identifier: Apache-2.0
//
// Every interleaving of a few agents that use one lock as the library's handles do, on the real machine of
// locks. An agent is a process: it tries, queues, sleeps until it is woken, holds, releases, gives up, is
// stopped or dies at any step. A transaction is one step, waking another is one more for each: between them
// it may die.
//
// A step that fails changes nothing and is tried again, which is the same as being slow, or is followed by
// giving up; so failures need no steps of their own.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "machine/records.hpp"

namespace dcache::test {

// What agents ask for.
inline constexpr Ask kLock{};
inline constexpr Ask kFair{.fair = true};
inline constexpr Ask kRlock{.kind = locking::Kind::rlock};
inline constexpr Ask kLeased{.lease = true};
inline constexpr Ask kKept{.lease = true, .keep = true};
inline constexpr Ask kRead{.kind = locking::Kind::rwlock, .mode = locking::Mode::shared};
inline constexpr Ask kLeasedRead{.kind = locking::Kind::rwlock, .mode = locking::Mode::shared, .lease = true};
inline constexpr Ask kWrite{.kind = locking::Kind::rwlock};
inline constexpr Ask kLeasedWrite{.kind = locking::Kind::rwlock, .lease = true};
inline constexpr Ask kOne{.kind = locking::Kind::semaphore, .mode = locking::Mode::permits};
inline constexpr Ask kFairOne{.kind = locking::Kind::semaphore, .mode = locking::Mode::permits, .fair = true};
inline constexpr Ask kTwo{.kind = locking::Kind::semaphore, .mode = locking::Mode::permits, .count = 2};

/// A world to explore. What is bounded is so in all, not for each agent.
struct Setting {
  std::string name;
  std::vector<std::vector<Ask>> agents;  ///< for each, what it may ask for
  std::uint64_t limit = 1;
  unsigned crashes = 0;
  unsigned stops = 0;
  unsigned leaves = 0;  ///< waiters that time out or are cancelled
  unsigned clears = 0;  ///< of a hold that has not ended, with force
  bool deeper = false;  ///< holders ask again
  bool strays = false;  ///< agents release what they do not hold
  bool renews = false;
  bool exchanges = false;  ///< holders for their first ask make it their second, which is exclusive, and back
  bool long_holds = false;
  std::size_t most = 100'000'000;  ///< states
};

struct Report {
  std::size_t states = 0;
  std::size_t records = 0;
  bool whole = true;      ///< not cut off at `most`
  std::string violation;  ///< what does not hold, or nothing
  std::string trace;      ///< how it came to that, in words
};

[[nodiscard]] Report explore(const Setting& setting, const Machine& machine = {});

}  // namespace dcache::test
