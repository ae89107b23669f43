// SPDX-License-Identifier: Apache-2.0
//
// Waiting where nothing wakes the waiter: a few spins, then sleeps with equal jitter.
#pragma once

#include <stop_token>
#include <string>

#include "dcache/lock.hpp"
#include "dcache/store.hpp"

namespace dcache::locking {

class Pause {
 public:
  Pause(const Backoff& backoff, Deadline deadline, const std::stop_token* stop)
      : backoff_(backoff), deadline_(deadline), stop_(stop) {}

  enum class Ended { waited, deadline, stopped };

  /// One pause, longer each time. It ends early when the deadline comes or a stop is requested.
  Ended wait();

 private:
  const Backoff backoff_;
  const Deadline deadline_;
  const std::stop_token* const stop_;
  int pauses_ = 0;
};

/// Seconds for people: "0.25", "12.3", "3600"; "forever" without end.
std::string seconds_text(Duration duration);

}  // namespace dcache::locking
