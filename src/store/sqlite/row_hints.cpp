// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/row_hints.hpp"

#include <algorithm>

#include "platform/atomic.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr unsigned kLowBits = 32;
constexpr unsigned kIdBits = 40;
constexpr std::uint64_t kUsedPlaces = 5;  ///< of a bucket before there are more: so few find theirs taken
constexpr std::uint64_t kGrowth = 8;      ///< times as many: less often would lose less, and take more

/// Other bits of the hash than the bucket's.
std::uint8_t tag_of(std::uint64_t hash) noexcept {
  return std::max<std::uint8_t>(1, static_cast<std::uint8_t>(hash));
}

template <class T>
T load(const std::atomic<T>& from) noexcept {
  return from.load(std::memory_order_relaxed);
}

}  // namespace

RowHints::Bucket* RowHints::bucket(std::uint64_t hash) const noexcept {
  std::byte* const buckets = buckets_.load(std::memory_order_acquire);
  if (buckets == nullptr) return nullptr;
  return reinterpret_cast<Bucket*>(buckets + ((hash >> 32) * load(in_use_) >> 32) * kBucketBytes);
}

std::optional<std::int64_t> RowHints::find(std::uint64_t hash) const noexcept {
  const Bucket* const here = bucket(hash);
  if (here == nullptr) return std::nullopt;
  const std::uint8_t tag = tag_of(hash);
  for (std::size_t i = 0; i < kPlaces; ++i) {
    if (load(here->tags[i]) == tag) return std::int64_t{load(here->high[i])} << kLowBits | load(here->low[i]);
  }
  return std::nullopt;
}

/// There may be as many entries as ids.
void RowHints::make_room_for(std::int64_t id) noexcept {
  const std::uint64_t filled = static_cast<std::uint64_t>(id) / kUsedPlaces;
  std::uint64_t buckets = load(in_use_);
  if (filled < buckets || buckets == kMostBuckets) return;
  while (buckets <= filled && buckets < kMostBuckets) buckets *= kGrowth;
  platform::raise(in_use_, std::min<std::uint64_t>(buckets, kMostBuckets));
}

void RowHints::note(std::uint64_t hash, std::int64_t id) noexcept {
  if (id < 0 || id >> kIdBits != 0) return;
  std::call_once(mapped_, [this] {
    pages_.emplace(kMostBuckets * kBucketBytes);
    buckets_.store(pages_->data(), std::memory_order_release);
  });
  make_room_for(id);
  Bucket* const here = bucket(hash);
  if (here == nullptr) return;
  const std::uint8_t tag = tag_of(hash);
  std::size_t place = static_cast<std::size_t>(id) % kPlaces;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const std::uint8_t seen = load(here->tags[i]);
    if (seen == 0) place = i;
    if (seen == tag) {
      place = i;
      break;
    }
  }
  here->low[place].store(static_cast<std::uint32_t>(id), std::memory_order_relaxed);
  here->high[place].store(static_cast<std::uint8_t>(id >> kLowBits), std::memory_order_relaxed);
  here->tags[place].store(tag, std::memory_order_relaxed);
}

void RowHints::forget(std::uint64_t hash) noexcept {
  Bucket* const here = bucket(hash);
  if (here == nullptr) return;
  for (auto& tag : here->tags) {
    if (load(tag) == tag_of(hash)) tag.store(0, std::memory_order_relaxed);
  }
}

}  // namespace dcache::store::sqlite
