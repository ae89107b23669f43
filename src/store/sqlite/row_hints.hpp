// SPDX-License-Identifier: Apache-2.0
//
// In which rows of the table keys were seen last: who goes by that need not search the tree of keys first.
// All processes share them, in a file `hints`.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "platform/word_file.hpp"

namespace dcache::store::sqlite {

/// Hints only: whoever goes by one has SQLite compare the row's key, and searches for the key where it is
/// another's. So whatever is in the file, nobody need be told that a row has moved or is gone, and processes
/// and threads may write over each other. Where the file cannot be had, there are no hints.
///
/// It has buckets of sixteen words and grows by splitting one bucket after the other in two, as in linear
/// hashing (W. Litwin, "Linear hashing: a new tool for file and table addressing", 1980). A word is an id and
/// those bits of the key's hash that tell where it belongs in a larger file, so that nothing else need be
/// read for that. How many buckets there are is told by the file's size alone.
class RowHints {
 public:
  /// Of the cache in that directory. The file is not looked for before some hints were asked for: a command
  /// that reads one value does without.
  explicit RowHints(const std::filesystem::path& directory) : path_(directory / "hints") {}

  static constexpr std::size_t kPlaces = 16;                 ///< in a bucket
  static constexpr std::uint64_t kMostBuckets = 1U << 21;    ///< 256 MiB
  static constexpr std::uint64_t kMappedBuckets = 3U << 13;  ///< 3 MiB

  /// What was found for a key.
  struct Hint {
    std::uint64_t hash = 0;
    std::optional<std::int64_t> id;  ///< of the row that was noted; now and then that of another key
    /// Where it is, and what else is there; none where that is not in memory.
    std::optional<std::uint64_t> bucket = {};
    std::array<platform::WordFile::Word, kPlaces> words = {};
  };

  [[nodiscard]] Hint find(std::uint64_t hash) noexcept;
  /// Who may make the file if there is none.
  enum class By { reader, writer };
  /// Notes that the key is in that row. Whether it is time to make room, as hints have had to go for others.
  /// Ids of more than 40 bits, which only stores of several shards have, are not kept.
  [[nodiscard]] bool note(const Hint& hint, std::int64_t id, By by) noexcept;
  /// Says that it is wrong, and no other row is to be noted.
  void forget(const Hint& hint) noexcept;
  /// Adds some buckets if there are less than so many entries need. Takes a tenth of a millisecond.
  void make_room(std::uint64_t entries) noexcept;

 private:
  platform::WordFile* look() noexcept;
  platform::WordFile* have() noexcept;
  void open() noexcept;
  void see_size(const platform::WordFile& file) noexcept;
  void read(const platform::WordFile& file, Hint& hint) const noexcept;
  static bool split(platform::WordFile& file, std::uint64_t buckets) noexcept;

  const std::filesystem::path path_;
  std::atomic<unsigned> asked_{0};
  std::once_flag looked_;
  std::once_flag made_;
  std::unique_ptr<platform::WordFile> opened_;
  std::atomic<platform::WordFile*> file_{nullptr};
  std::atomic<std::uint64_t> buckets_{0};
  std::atomic<unsigned> noted_{0};
  std::atomic<unsigned> crowded_{0};
  std::atomic_flag growing_;
};

}  // namespace dcache::store::sqlite
