// SPDX-License-Identifier: Apache-2.0
//
// Ageing among the processes that write. SQLite's lock goes to whoever asks when it happens to be free: of
// eight that write without pause one write in a thousand took more than 32 ms. So who has waited for long
// says so on the board, and who comes fresh naps before it asks. That is a hint, and nothing else depends on
// it: the word lapses after a moment, also when the one who left it there was killed.
#pragma once

#include <chrono>
#include <memory>

#include "dcache/store.hpp"
#include "platform/shared_memory.hpp"

namespace dcache::store::sqlite {

/// One wait for the lock, or none if it is free.
class Turn {
 public:
  /// Naps, for less than a millisecond and not beyond `deadline`, if somebody has waited for long. `board`
  /// may be null.
  Turn(std::shared_ptr<platform::SharedMemory> board, Deadline deadline);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  /// Withdraws what it has said.
  ~Turn();

  /// To be called whenever the lock was asked for in vain.
  void wait_on() noexcept;

 private:
  const std::shared_ptr<platform::SharedMemory> board_;
  const std::chrono::steady_clock::time_point begun_;
  bool impatient_ = false;
};

}  // namespace dcache::store::sqlite
