// SPDX-License-Identifier: Apache-2.0
//
// Copies of values in this process's memory, and of the knowledge that a key has none. Each is good only
// while the board's generations (board/generations.hpp) are those that it was read under, so that an answer
// from here is one that the database would give: at no cost but a look at shared memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "board/board.hpp"
#include "dcache/entry.hpp"
#include "dcache/store.hpp"
#include "platform/mutex.hpp"

namespace dcache::store {

/// What is kept of a value. It points into whatever it was made from.
struct Copy {
  std::string_view value;
  std::string_view tags;  ///< as the engine has them
  std::int64_t stored = 0;
  std::optional<std::int64_t> expires = {};
  Format format = Format::bytes;
  std::int64_t id = 0;  ///< of its row
};

class Copies {
 public:
  /// Takes up to `bytes` of memory, all told.
  Copies(std::shared_ptr<board::Board> board, std::uint64_t bytes);
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  ~Copies();

  enum class Found { unknown, absent, present };
  enum class Count { no, yes };
  /// Looks for a key by its hash, and hands what is there to `use`, which must be quick.
  Found find(std::string_view key, std::uint64_t hash, FunctionRef<void(const Copy&)> use, Count count);

  /// The state of the board under which something is read.
  struct Ticket {
    board::Board::Mapping mapping;
    std::uint64_t key = 0;
    std::uint64_t all = 0;
    /// The same unsettled word has been met for long: its writer must have been killed.
    bool stuck = false;
  };
  /// To be called before the read begins.
  Ticket ask(std::uint64_t hash);
  /// Keeps what was read; null if the key has no value. Keeps nothing if there is no room or memory.
  void keep(const Ticket& ticket, std::string_view key, std::uint64_t hash, const Copy* copy) noexcept;

  /// Values of more bytes are not kept.
  [[nodiscard]] std::uint64_t largest() const noexcept { return bytes_a_shard_ / 4; }

  // Since they were made.
  [[nodiscard]] std::uint64_t hits();
  [[nodiscard]] std::uint64_t misses();
  /// Bytes in use.
  [[nodiscard]] std::uint64_t bytes();

 private:
  struct Node;
  struct Shard;

  Shard& shard_of(std::uint64_t hash) noexcept;
  std::uint64_t sum(std::uint64_t Shard::*of);

  const std::shared_ptr<board::Board> board_;
  const std::size_t count_;
  const std::uint64_t bytes_a_shard_;
  const std::unique_ptr<Shard[]> shards_;
  std::atomic<std::uint64_t> odd_{0};
  std::atomic<std::int64_t> odd_since_{0};
};

}  // namespace dcache::store
