// SPDX-License-Identifier: Apache-2.0
//
// Waiting for something that others put into a cache.
#pragma once

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>

#include "cache/state.hpp"
#include "dcache/error.hpp"
#include "store/deadline.hpp"

namespace dcache::recipes {

/// Between two looks of who waits. Whoever puts something wakes him at once; but the death of a worker and
/// the end of a lease make no noise.
inline constexpr std::chrono::milliseconds kLookAgain{50};

/// What `look` returns once that is true, or what it returned last when `wait` has passed.
template <class Look>
auto wait_for(const detail::CacheState& state, std::string_view topic, Duration wait,
              const std::stop_token& stop, Look&& look) {
  using Clock = std::chrono::steady_clock;
  auto found = look();
  if (found || wait <= Duration()) return found;
  Store& store = state.store();
  if (store.in_transaction()) {
    throw Misuse("one cannot wait for others inside Cache::transact, which keeps them all from writing");
  }
  const Deadline end = store::deadline_after(wait);
  for (;;) {
    if (stop.stop_requested()) throw Cancelled("the wait for a queue was cancelled");
    const auto word = store.topic_word(topic);
    found = look();
    const Clock::time_point now = Clock::now();
    if (found || now >= end) return found;
    const Clock::time_point until = std::min<Clock::time_point>(end, now + kLookAgain);
    if (word) {
      store.sleep_on(topic, *word, until);
    } else {
      std::this_thread::sleep_until(std::min<Clock::time_point>(until, now + kLookAgain / 10));
    }
  }
}

}  // namespace dcache::recipes
