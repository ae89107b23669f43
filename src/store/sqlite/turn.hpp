// SPDX-License-Identifier: Apache-2.0
//
// Turns among the processes that write without pause. SQLite's lock goes to whoever asks when it happens to
// be free, and at each change of process the page cache of the next one is good for nothing. So who finds the
// lock taken, or others in line, stands in line on the board, asleep, and whose turn it is writes for some
// milliseconds. A process that pauses between its writes is a guest: it does not stand in line, but asks
// again after naps. If that takes long, or at once if it has not written of late, as one that takes a lock
// now and then, it says so on the board, and those who come or have the turn let it go first.
//
// These are hints, and nothing else depends on them: SQLite's lock decides who writes. Whoever was killed,
// stopped or is slow is passed over after a moment, and asks by itself when it goes on.
#pragma once

#include <cstdint>
#include <memory>

#include "dcache/store.hpp"
#include "platform/shared_memory.hpp"

namespace dcache::store::sqlite {

/// The place of one process, or of one open cache; used by one thread at a time.
class Turn {
 public:
  /// Before the lock is asked for: waits until that makes sense, for half of the time that is left until
  /// `deadline` at most. `board` may be null; then there is nothing to wait for.
  void come(std::shared_ptr<platform::SharedMemory> board, Deadline deadline) noexcept;
  /// Whenever the lock was asked for in vain: the same.
  void refused() noexcept;
  /// During a write: somebody else is likely to write next, as what is written is a lock.
  void expect_others() noexcept { hurry_ = 0; }
  /// After the write, or when there is none. Keeps the turn if the next write is likely to follow at once;
  /// who is `busy` has something else to do before.
  void go(bool busy) noexcept;

 private:
  [[nodiscard]] bool guest() const noexcept;
  [[nodiscard]] bool served_now() const noexcept;
  void be_heard_of(std::int64_t at) const noexcept;
  void let_guests_in() noexcept;
  void stand_in_line() noexcept;
  void pass_on() noexcept;

  std::shared_ptr<platform::SharedMemory> board_;
  std::int64_t left_ = 0;        ///< when it last went; of the monotonic clock in nanoseconds, as all times
  std::int64_t line_until_ = 0;  ///< when it has stood in line for long enough
  int hurry_ = 0;                ///< grows when it comes right after it has gone
  bool was_busy_ = false;
  std::int64_t patient_until_ = 0;
  bool said_ = false;   ///< that it waits as a guest
  bool stood_ = false;  ///< in line, for the present write
  bool has_turn_ = false;
  bool called_ = false;  ///< the next in line, as the turn is about to end
  std::uint32_t ticket_ = 0;
  std::int64_t turn_until_ = 0;
};

}  // namespace dcache::store::sqlite
