// SPDX-License-Identifier: Apache-2.0
#include "board/generations.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

#include "platform/process.hpp"

namespace dcache::board {

namespace {

/// A transaction that changes more keys than this marks all.
constexpr std::size_t kMostMarked = kGenerations / 4;
static_assert(kGenerations - 1 <= UINT16_MAX);

/// The stamp of the next transaction. Only who holds the write lock draws one.
Generation& next_stamp(const platform::SharedMemory& memory) noexcept {
  return memory.at<Generation>(kNextStampAt);
}

/// The stamp of a transaction that may have left odd words; 0 if there is none.
Generation& unsettled(const platform::SharedMemory& memory) noexcept {
  return memory.at<Generation>(kUnsettledAt);
}

/// Under which boot of the machine the stamps were drawn; 0 is none.
Generation& boot_of_stamps(const platform::SharedMemory& memory) noexcept {
  return memory.at<Generation>(kBootAt);
}

std::uint64_t this_boot() {
  static const std::uint64_t number = [] {
    const std::string& id = platform::boot_id();
    std::uint64_t first = 0;
    std::from_chars(id.data(), id.data() + std::min<std::size_t>(id.size(), 16), first, 16);
    return first | 1U;
  }();
  return number;
}

/// Stamps only grow from an even number that no word has had. Far below 2^64, so that they never get there.
std::uint64_t first_generation() {
  std::uint64_t first = 0;
  platform::random_bytes(std::as_writable_bytes(std::span(&first, 1)));
  return (first >> 2 | 1U << 16) & ~std::uint64_t{1};
}

void settle_word(Generation& word, std::uint64_t stamp) noexcept {
  word.compare_exchange_strong(stamp, stamp + 1, std::memory_order_release, std::memory_order_relaxed);
}

void settle_whatever(Generation& word) noexcept {
  const std::uint64_t now = word.load(std::memory_order_relaxed);
  if (now % 2 != 0) settle_word(word, now);
}

/// Words that are no generation at all become `last`: what the transaction before has settled its own to.
void settle_everything(const platform::SharedMemory& memory, std::uint64_t last) noexcept {
  for (std::size_t at = 0; at < kGenerations; ++at) {
    Generation& word = generation(memory, at);
    settle_whatever(word);
    std::uint64_t none = 0;
    if (word.load(std::memory_order_relaxed) == none) {
      word.compare_exchange_strong(none, last, std::memory_order_release, std::memory_order_relaxed);
    }
  }
  settle_whatever(all_generation(memory));
}

}  // namespace

void fill_generations(std::string& board, bool adopted) {
  // One number serves all words: it will not come again.
  const std::uint64_t first = first_generation();
  const auto put = [&](std::size_t offset, std::uint64_t value) {
    std::memcpy(board.data() + offset, &value, sizeof(value));
  };
  for (std::size_t at = 0; at < kGenerations; ++at) put(kGenerationsAt + at * sizeof(first), first);
  put(kNextStampAt, first + 1);
  put(kBootAt, this_boot());
  if (adopted) put(kAllGenerationAt, first);
}

void Stamps::begin(Board& board) {
  memory_ = board.for_writer();
  begun_ = true;
  if (memory_ == nullptr) return;
  const bool adopted = all_generation(*memory_).load(std::memory_order_relaxed) != 0;
  if (!adopted) board.wait_for_others();
  Generation& next = next_stamp(*memory_);
  Generation& boot = boot_of_stamps(*memory_);
  // After a power loss some pages of the file are older than others: a stamp might come again.
  const bool same_boot = boot.load(std::memory_order_relaxed) == this_boot();
  stamp_ = (same_boot ? next.load(std::memory_order_relaxed) : first_generation()) | 1U;
  next.store(stamp_ + 2, std::memory_order_relaxed);
  if (!same_boot || unsettled(*memory_).load(std::memory_order_relaxed) != 0) {
    settle_everything(*memory_, stamp_ - 1);
  }
  boot.store(this_boot(), std::memory_order_relaxed);
  unsettled(*memory_).store(stamp_, std::memory_order_seq_cst);
  if (!adopted) stamp_all();
}

void Stamps::stamp_all() noexcept {
  all_ = true;
  all_generation(*memory_).store(stamp_, std::memory_order_seq_cst);
}

void Stamps::mark_all(Board& board) {
  if (!begun_) begin(board);
  if (memory_ != nullptr) stamp_all();
}

void Stamps::mark(Board& board, std::uint64_t hash) {
  if (!begun_) begin(board);
  if (memory_ == nullptr || all_) return;
  if (marked_.size() >= kMostMarked) {
    stamp_all();
    return;
  }
  const std::size_t at = generation_of(hash);
  Generation& word = generation(*memory_, at);
  if (word.load(std::memory_order_relaxed) == stamp_) return;
  marked_.push_back(static_cast<std::uint16_t>(at));
  // Seen by everybody before the commit is.
  word.store(stamp_, std::memory_order_seq_cst);
}

void Stamps::mend(Board& board) {
  if (!begun_) begin(board);
  if (memory_ != nullptr) settle_everything(*memory_, stamp_ - 1);
}

void Stamps::settle() noexcept {
  if (!begun_) return;
  begun_ = false;
  if (memory_ == nullptr) return;
  for (const std::uint16_t at : marked_) settle_word(generation(*memory_, at), stamp_);
  marked_.clear();
  if (all_) settle_word(all_generation(*memory_), stamp_);
  all_ = false;
  std::uint64_t ours = stamp_;
  unsettled(*memory_).compare_exchange_strong(ours, 0, std::memory_order_release, std::memory_order_relaxed);
  memory_.reset();
}

}  // namespace dcache::board
