// SPDX-License-Identifier: Apache-2.0
//
// How long to wait for what.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "dcache/lock.hpp"
#include "dcache/store.hpp"

namespace dcache::locking {

/// Waiting where nothing wakes the waiter: a few spins, then sleeps with equal jitter.
class Pause {
 public:
  Pause(const Backoff& backoff, Deadline deadline, const std::stop_token* stop)
      : backoff_(backoff), deadline_(deadline), stop_(stop) {}

  enum class Ended { waited, deadline, stopped };

  /// One pause, longer each time. It ends early when the deadline comes or a stop is requested.
  Ended wait();

  /// How long the next one is, for who sleeps in another way; 0 is to let others run.
  std::chrono::nanoseconds next();

 private:
  const Backoff backoff_;
  const Deadline deadline_;
  const std::stop_token* const stop_;
  int pauses_ = 0;
};

/// When one who sleeps until it is woken looks at the lock all the same, should the waking have been lost:
/// `slept` slices after it began, with `ahead` waiters before it. The first two in the queue look every 50
/// ms, so that a stopped waiter does not hold up the next one for longer.
Deadline end_of_slice(int slept, std::size_t ahead);

/// The same for one who found no place in the queue, and whom nobody wakes: soon at first, as a queue that is
/// that long moves.
Deadline end_of_slice_outside(int slept);

/// Seconds for people: "0.25", "12.3", "3600"; "forever" without end.
std::string seconds_text(Duration duration);

}  // namespace dcache::locking
