// SPDX-License-Identifier: Apache-2.0
//
// Every interleaving of a few writers and readers that go by generations, as src/board/generations.cpp and
// src/store/copies.cpp do: one key with its word, the word for all keys, SQLite's write lock, and what the
// database holds. A writer may die at each step, and may be as slow as it likes between any two.
#pragma once

#include <cstddef>
#include <string>

namespace dcache::test {

/// What may be done wrong.
enum class Fault {
  none,
  mark_after_commit,
  settle_before_commit,
  settle_by_store,        ///< whatever is in the word by then
  settle_without_lock,    ///< what looks like a killed writer's, by who has not begun a write
  count,                  ///< words are raised by one before and after, instead of taking stamps
  stamp_again,            ///< the next stamp is only stored when a transaction is over
  mark_without_clearing,  ///< what a killed writer has left is settled by nobody
  keep_under_later_word,  ///< than the one that was loaded before the read
  keep_older_snapshot,    ///< the read began before the words were loaded
  keep_uncommitted,       ///< a transaction's own value, by who goes by odd words, too
  ignore_all,             ///< the word for all keys
};

/// Of writes or kills; only where nothing is done wrong.
inline constexpr unsigned kAnyNumber = 255;

/// A world to explore.
struct Traffic {
  std::string name;
  unsigned writers = 2;
  unsigned readers = 2;
  unsigned writes = kAnyNumber;  ///< transactions of each writer
  unsigned kills = kAnyNumber;   ///< in all
  bool bulk = false;             ///< writers may mark all keys instead
  bool mends = false;            ///< who meets odd words may begin a write to settle them, and writes nothing
  Fault fault = Fault::none;
};

struct Traffics {
  std::size_t states = 0;
  bool settles = true;  ///< nothing stays odd for ever
  std::string wrong;    ///< the first answer that should not have been, and how it came to that
};

[[nodiscard]] Traffics explore(const Traffic& traffic);

}  // namespace dcache::test
