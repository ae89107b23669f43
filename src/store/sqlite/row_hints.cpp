// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/row_hints.hpp"

#include <algorithm>
#include <bit>

#include "platform/atomic.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr unsigned kLowBits = 32;
constexpr unsigned kIdBits = 40;
constexpr std::uint64_t kUsedPlaces = 5;  ///< of a bucket before there are more: so few find theirs taken

/// Other bits of the hash than the bucket's.
std::uint8_t tag_of(std::uint64_t hash) noexcept {
  return std::max<std::uint8_t>(1, static_cast<std::uint8_t>(hash >> 56));
}

template <class T>
T load(const std::atomic<T>& from) noexcept {
  return from.load(std::memory_order_relaxed);
}

}  // namespace

RowHints::RowHints() : buckets_(kMostBuckets * kBucketBytes) {}

RowHints::Bucket& RowHints::bucket(std::uint64_t hash) const noexcept {
  return *reinterpret_cast<Bucket*>(buckets_.data() + (hash & (load(in_use_) - 1)) * kBucketBytes);
}

std::optional<std::int64_t> RowHints::find(std::uint64_t hash) const noexcept {
  const Bucket& here = bucket(hash);
  const std::uint8_t tag = tag_of(hash);
  for (std::size_t i = 0; i < kPlaces; ++i) {
    if (load(here.tags[i]) == tag) return std::int64_t{load(here.high[i])} << kLowBits | load(here.low[i]);
  }
  return std::nullopt;
}

void RowHints::note(std::uint64_t hash, std::int64_t id) noexcept {
  if (id < 0 || id >> kIdBits != 0) return;
  // As many ids as there may be entries.
  const std::uint64_t filled = static_cast<std::uint64_t>(id) / kUsedPlaces;
  platform::raise(in_use_, std::bit_ceil(std::min<std::uint64_t>(filled + 1, kMostBuckets)));
  Bucket& here = bucket(hash);
  const std::uint8_t tag = tag_of(hash);
  std::size_t place = static_cast<std::size_t>(id) % kPlaces;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const std::uint8_t seen = load(here.tags[i]);
    if (seen == 0) place = i;
    if (seen == tag) {
      place = i;
      break;
    }
  }
  here.low[place].store(static_cast<std::uint32_t>(id), std::memory_order_relaxed);
  here.high[place].store(static_cast<std::uint8_t>(id >> kLowBits), std::memory_order_relaxed);
  here.tags[place].store(tag, std::memory_order_relaxed);
}

void RowHints::forget(std::uint64_t hash) noexcept {
  for (auto& tag : bucket(hash).tags) {
    if (load(tag) == tag_of(hash)) tag.store(0, std::memory_order_relaxed);
  }
}

}  // namespace dcache::store::sqlite
