// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/turn.hpp"

#include <atomic>
#include <utility>

#include "board/layout.hpp"
#include "platform/clock.hpp"

namespace dcache::store::sqlite {

namespace {

using std::chrono::steady_clock;

/// After which a writer is impatient. With less, throughput falls: then there is always one.
constexpr auto kPatience = std::chrono::milliseconds(6);
/// For how long that stands unless it is said again, which is done at every look: 200 us.
constexpr std::chrono::nanoseconds kStands = std::chrono::milliseconds(3);

/// Longer than those of who waits, so that one of them is there first.
constexpr auto kNap = std::chrono::microseconds(200);
constexpr int kMostNaps = 2;

/// Of the monotonic clock, until when writers are asked to let others go first.
std::atomic<std::int64_t>& impatient_until(const platform::SharedMemory& board) noexcept {
  return board.at<std::atomic<std::int64_t>>(board::kImpatientAt);
}

std::int64_t in_ns(steady_clock::time_point time) noexcept {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

/// Also false for a time that nobody can have meant.
bool somebody_is_impatient(const platform::SharedMemory& board) noexcept {
  const std::int64_t until = impatient_until(board).load(std::memory_order_relaxed);
  if (until == 0) return false;
  const std::int64_t now = in_ns(steady_clock::now());
  return now < until && until <= now + kStands.count();
}

}  // namespace

Turn::Turn(std::shared_ptr<platform::SharedMemory> board, Deadline deadline)
    : board_(std::move(board)), begun_(steady_clock::now()) {
  if (board_ == nullptr || begun_ + kMostNaps * kNap > deadline) return;
  for (int naps = 0; naps < kMostNaps && somebody_is_impatient(*board_); ++naps) platform::sleep_for(kNap);
}

Turn::~Turn() {
  // Others who are impatient say so again at once.
  if (impatient_) impatient_until(*board_).store(0, std::memory_order_relaxed);
}

void Turn::wait_on() noexcept {
  const auto now = steady_clock::now();
  if (board_ == nullptr || now - begun_ < kPatience) return;
  impatient_until(*board_).store(in_ns(now + kStands), std::memory_order_relaxed);
  impatient_ = true;
}

}  // namespace dcache::store::sqlite
