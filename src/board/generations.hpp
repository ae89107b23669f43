// SPDX-License-Identifier: Apache-2.0
//
// Generations: words on the board that tell whether a copy of a value is still good. A key's hash names its
// word; one more stands for all keys. A copy is good as long as both are what they were before it was read.
//
// A writer that holds SQLite's write lock puts its stamp, an odd number that was never there before, into the
// words of all keys that it changes, commits, and settles each: its stamp becomes the even number behind it,
// unless a later writer's stamp is there by then. An odd word is good for no copy. So readers need not trust
// writers to live: what one that was killed has left odd, whoever holds the write lock next may settle.
// Correct for any number of processes that die at any moment; tests/machine walks through all interleavings.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "board/board.hpp"
#include "board/layout.hpp"
#include "platform/shared_memory.hpp"

namespace dcache::board {

using Generation = std::atomic<std::uint64_t>;
static_assert(Generation::is_always_lock_free);

/// Whether a copy can be good under this word. 0 is no generation: nobody has written on this board yet, or
/// damage.
[[nodiscard]] constexpr bool steady(std::uint64_t generation) noexcept {
  return generation % 2 == 0 && generation != 0;
}

/// Part of the layout: all processes must agree on the hash, too.
[[nodiscard]] constexpr std::size_t generation_of(std::uint64_t hash) noexcept { return hash % kGenerations; }

[[nodiscard]] inline Generation& generation(const platform::SharedMemory& memory, std::size_t at) noexcept {
  return memory.at<Generation>(kGenerationsAt + at * sizeof(Generation));
}
[[nodiscard]] inline Generation& all_generation(const platform::SharedMemory& memory) noexcept {
  return memory.at<Generation>(kAllGenerationAt);
}

/// The first generations of a board in the making. Unless it is adopted, its first writer must see to it that
/// nobody goes by an older board any more.
void fill_generations(std::string& board, bool adopted);

/// The marks of one writer, one transaction at a time.
class Stamps {
 public:
  /// Marks what belongs to the hash of a key that the open transaction is about to change. May wait for 150
  /// ms after somebody has removed the board, and throws IoError if it cannot be used.
  void mark(Board& board, std::uint64_t hash);
  /// Marks everything.
  void mark_all(Board& board);
  /// Settles everything that killed writers have left, in an open transaction.
  void mend(Board& board);
  /// To be called when the transaction is over, whichever way.
  void settle() noexcept;

 private:
  void begin(Board& board);
  void stamp_all() noexcept;

  bool begun_ = false;
  bool all_ = false;
  std::shared_ptr<platform::SharedMemory> memory_;  ///< null: there is no board
  std::uint64_t stamp_ = 0;
  std::vector<std::uint16_t> marked_;
};

}  // namespace dcache::board
