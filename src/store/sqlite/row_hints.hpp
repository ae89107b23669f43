// SPDX-License-Identifier: Apache-2.0
//
// In which rows of the table keys were seen last: who goes by that need not search the tree of keys first.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "platform/zero_pages.hpp"

namespace dcache::store::sqlite {

/// Hints only: whoever goes by one has SQLite compare the row's key, and searches for the key where it is
/// another's. So nobody need be told that a row has moved or is gone, and threads may write over each other.
///
/// As ids grow, hints spread over more memory, up to 3 MiB for 491,520 keys. What was noted before is then
/// looked for elsewhere and not found: that happens a few times. Where there is no memory, there are no
/// hints.
class RowHints {
 public:
  /// The row that was noted for the key of this hash; now and then that of another key.
  [[nodiscard]] std::optional<std::int64_t> find(std::uint64_t hash) const noexcept;
  /// Ids of more than 40 bits, which only stores of several shards have, are not kept.
  void note(std::uint64_t hash, std::int64_t id) noexcept;
  /// Says that what `find` gave was wrong.
  void forget(std::uint64_t hash) noexcept;

  static constexpr std::size_t kPlaces = 10;  ///< in a bucket
  static constexpr std::size_t kMostBuckets = 49152;

 private:
  /// One line of the processor's cache. Parts of a place may be of different keys, if two threads wrote it.
  struct Bucket {
    std::array<std::atomic<std::uint32_t>, kPlaces> low;
    std::array<std::atomic<std::uint8_t>, kPlaces> high;
    std::array<std::atomic<std::uint8_t>, kPlaces> tags;  ///< 0: nothing there
  };
  static constexpr std::size_t kBucketBytes = 64;
  static_assert(sizeof(Bucket) <= kBucketBytes);

  void make_room_for(std::int64_t id) noexcept;
  /// Null as long as nothing was noted.
  [[nodiscard]] Bucket* bucket(std::uint64_t hash) const noexcept;

  std::once_flag mapped_;
  std::optional<platform::ZeroPages> pages_;
  std::atomic<std::byte*> buckets_{nullptr};
  std::atomic<std::uint64_t> in_use_{1};  ///< buckets
};

}  // namespace dcache::store::sqlite
