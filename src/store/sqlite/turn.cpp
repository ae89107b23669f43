// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/turn.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <thread>
#include <utility>

#include "board/layout.hpp"
#include "platform/clock.hpp"
#include "platform/futex.hpp"

namespace dcache::store::sqlite {

namespace {

using platform::futex::Word;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using Moment = std::atomic<std::int64_t>;

constexpr std::int64_t kMicrosecond = 1'000;
constexpr std::int64_t kMillisecond = 1'000'000;

/// Eight that write without pause come in turn within 20 ms. With 1 ms there are a tenth fewer writes.
constexpr std::int64_t kTurn = 2'500 * kMicrosecond;
/// So long before its end the next is woken.
constexpr std::int64_t kCall = 100 * kMicrosecond;
/// Who has the turn and is not heard of for so long loses it when the next in line looks.
constexpr std::int64_t kIdle = 100 * kMicrosecond;
/// Who has come again within so long, so often, is expected to do so the next time, also after a pause or
/// two. With 50 us those that read nine times for each write stand in line as well, and nobody uses the lock.
constexpr std::int64_t kHurry = 10 * kMicrosecond;
constexpr int kWithoutPause = 8;
constexpr int kMostHurry = 4 * kWithoutPause;
/// Until a guest says that it waits, unless it has not written for so long.
constexpr std::int64_t kPatience = 6 * kMillisecond;
constexpr std::int64_t kSeldom = 10 * kMillisecond;
/// A guest's word lapses after that unless it is said again, which is done at every look: 200 us.
constexpr std::int64_t kStands = 3 * kMillisecond;
/// No shorter than those of a guest between two looks, so that it is there first.
constexpr std::int64_t kNap = 200 * kMicrosecond;
constexpr int kMostNaps = 2;
constexpr std::int64_t kLongestLook = kMillisecond;
/// More can hardly wait.
constexpr std::int32_t kLongestLine = 1024;

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

// The ticket whose turn it is, on which all others sleep; the next one that is handed out; and when who has
// the turn was last heard of.
Word& served(const platform::SharedMemory& board) noexcept { return board.at<Word>(board::kLineServedAt); }
Word& next_ticket(const platform::SharedMemory& board) noexcept { return board.at<Word>(board::kLineNextAt); }
Moment& heard_of(const platform::SharedMemory& board) noexcept {
  return board.at<Moment>(board::kLineHeardOfAt);
}
/// Until when a guest waits.
Moment& guest_until(const platform::SharedMemory& board) noexcept {
  return board.at<Moment>(board::kGuestUntilAt);
}

std::int64_t now_ns() noexcept { return nanoseconds(steady_clock::now().time_since_epoch()).count(); }

/// Also false for a time that nobody can have meant.
bool a_guest_waits(const platform::SharedMemory& board) noexcept {
  const std::int64_t until = guest_until(board).load(std::memory_order_relaxed);
  if (until == 0) return false;
  const std::int64_t now = now_ns();
  return now < until && until <= now + kStands;
}

/// How long who has the turn was not heard of; forever, if that is at a time that nobody can have meant.
std::int64_t quiet_for(const platform::SharedMemory& board, std::int64_t now) noexcept {
  const std::int64_t then = heard_of(board).load(std::memory_order_relaxed);
  return then < 0 || then > now + kLongestLook ? kForever : now - then;
}

constexpr std::uint32_t bit_of(std::uint32_t ticket) noexcept { return std::uint32_t{1} << ticket % 32; }

/// How many turns come before that of `ticket`; below 0 if it is over.
constexpr std::int32_t ahead_of(std::uint32_t ticket, std::uint32_t served) noexcept {
  return static_cast<std::int32_t>(ticket - served);
}

/// Makes it the turn of `ticket` instead of `seen`. It is woken, and the one behind it, which is to watch it;
/// all, where some are passed over.
void serve(const platform::SharedMemory& board, std::uint32_t seen, std::uint32_t ticket) noexcept {
  const bool next = ticket == seen + 1;
  Word& word = served(board);
  if (!word.compare_exchange_strong(seen, ticket) || next_ticket(board).load() == ticket) return;
  platform::futex::wake(word, next ? bit_of(ticket) | bit_of(ticket + 1) : platform::futex::kAllBits);
}

}  // namespace

void Turn::come(std::shared_ptr<platform::SharedMemory> board, Deadline deadline) noexcept {
  if (board != board_) has_turn_ = false;
  board_ = std::move(board);
  if (board_ == nullptr) return;
  const std::int64_t now = now_ns();
  const std::int64_t pause = now - left_;
  if (!std::exchange(was_busy_, false)) {
    hurry_ = pause < kHurry ? std::min(hurry_ + 1, kMostHurry) : hurry_ / 2;
  }
  patient_until_ = pause > kSeldom ? now : now + kPatience;
  stood_ = false;
  line_until_ = kForever;
  if (deadline != kNoDeadline) {
    line_until_ = now + (nanoseconds(deadline.time_since_epoch()).count() - now) / 2;
  }
  if (served_now() && now < turn_until_) {
    be_heard_of(now);
    if (now > turn_until_ - kCall && !std::exchange(called_, true)) {
      platform::futex::wake(served(*board_), bit_of(ticket_ + 1));
    }
    let_guests_in();
    return;
  }
  if (has_turn_) pass_on();
  if (guest() || served(*board_).load() == next_ticket(*board_).load()) {
    let_guests_in();
  } else {
    stand_in_line();
  }
}

void Turn::refused() noexcept {
  if (board_ == nullptr) return;
  const std::int64_t now = now_ns();
  if (served_now()) {
    be_heard_of(now + kNap);
  } else if (!guest() && !stood_) {
    stand_in_line();
  } else if (now >= patient_until_) {
    guest_until(*board_).store(now + kStands, std::memory_order_relaxed);
    said_ = true;
  }
}

void Turn::go(bool busy) noexcept {
  if (board_ == nullptr) return;
  left_ = now_ns();
  was_busy_ = busy;
  // Others who wait say so again at once.
  if (std::exchange(said_, false)) guest_until(*board_).store(0, std::memory_order_relaxed);
  if (!has_turn_) return;
  const bool alone = next_ticket(*board_).load() == ticket_ + 1;
  if (alone || busy || guest() || left_ >= turn_until_ || !served_now()) {
    pass_on();
  } else {
    be_heard_of(left_);
  }
}

bool Turn::guest() const noexcept { return hurry_ < kWithoutPause; }

/// Who has the turn may have lost it.
bool Turn::served_now() const noexcept { return has_turn_ && served(*board_).load() == ticket_; }

void Turn::be_heard_of(std::int64_t at) const noexcept {
  heard_of(*board_).store(at, std::memory_order_relaxed);
}

void Turn::let_guests_in() noexcept {
  for (int naps = 0; naps < kMostNaps && now_ns() + kNap < line_until_ && a_guest_waits(*board_); ++naps) {
    if (has_turn_) be_heard_of(now_ns() + kNap);
    platform::sleep_for(nanoseconds(kNap));
  }
}

void Turn::stand_in_line() noexcept {
  if (now_ns() >= line_until_) return;
  stood_ = true;
  Word& word = served(*board_);
  const std::uint32_t ticket = next_ticket(*board_).fetch_add(1);
  if (const std::uint32_t seen = word.load(); ahead_of(ticket, seen) < 0) {
    // What is served was never handed out: the next tickets follow it.
    std::uint32_t next = ticket + 1;
    next_ticket(*board_).compare_exchange_strong(next, seen);
  }
  for (std::int64_t look = kIdle;;) {
    const std::uint32_t seen = word.load();
    const std::int32_t ahead = ahead_of(ticket, seen);
    const std::int64_t now = now_ns();
    if (ahead == 0) {
      has_turn_ = true;
      ticket_ = ticket;
      turn_until_ = now + kTurn;
      called_ = false;
      be_heard_of(now);
      let_guests_in();
      return;
    }
    if (ahead < 0 || now >= line_until_) return;
    // The first in line watches who has the turn; those behind it do so from time to time.
    const std::int64_t patience = ahead == 1 ? kIdle : ahead * kLongestLook;
    if (ahead > kLongestLine || quiet_for(*board_, now) > patience) {
      be_heard_of(now);
      serve(*board_, seen, ticket);
      continue;
    }
    const std::int64_t until = std::min(now + (ahead == 1 ? look : ahead * kTurn), line_until_);
    platform::futex::wait(word, seen, steady_clock::time_point(nanoseconds(until)), bit_of(ticket));
    // Who is called before its turn is awake when it comes.
    if (const std::int64_t called = now_ns(); ahead == 1 && called < until) {
      while (word.load() == seen && now_ns() < called + 2 * kCall) std::this_thread::yield();
    }
    look = ahead == 1 ? std::min(2 * look, kLongestLook) : kIdle;
  }
}

void Turn::pass_on() noexcept {
  const bool still = served_now();
  has_turn_ = false;
  if (!still) return;
  be_heard_of(now_ns());
  serve(*board_, ticket_, ticket_ + 1);
}

}  // namespace dcache::store::sqlite
