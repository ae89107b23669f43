// SPDX-License-Identifier: Apache-2.0
#include "store/copies.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>
#include <vector>

#include "board/generations.hpp"
#include "platform/clock.hpp"

namespace dcache::store {

namespace {

using board::steady;

constexpr std::size_t kMostShards = 64;
/// A shard is not smaller, so that a copy of some size has room.
constexpr std::uint64_t kSmallestShard = 64 << 10;

constexpr std::int64_t kStuckAfter = 100'000'000;

/// What the allocator takes for a block, about.
constexpr std::size_t allocated(std::size_t size) noexcept { return (size + 8 + 15) / 16 * 16; }

std::size_t shards_for(std::uint64_t bytes) noexcept {
  return std::bit_floor(std::clamp<std::size_t>(bytes / kSmallestShard, 1, kMostShards));
}

}  // namespace

/// One block: this, then key, tags and value.
struct Copies::Node {
  Node* chain = nullptr;  ///< the next of the same bucket
  Node* newer = nullptr;
  Node* older = nullptr;
  std::uint64_t hash = 0;
  std::uint64_t key_generation = 0;
  std::uint64_t all_generation = 0;
  std::int64_t stored = 0;
  std::int64_t expires = 0;
  std::int64_t id = 0;
  std::uint32_t key_size = 0;
  std::uint32_t tags_size = 0;
  std::uint32_t value_size = 0;
  Format format = Format::bytes;
  bool has_expiry = false;
  bool present = false;
  bool visited = false;

  [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
  [[nodiscard]] std::string_view key() noexcept { return {bytes(), key_size}; }
  [[nodiscard]] std::size_t size() const noexcept {
    return allocated(sizeof(Node) + key_size + tags_size + value_size);
  }
  [[nodiscard]] Copy copy() noexcept {
    Copy copy{.value = {bytes() + key_size + tags_size, value_size},
              .tags = {bytes() + key_size, tags_size},
              .stored = stored,
              .format = format,
              .id = id};
    if (has_expiry) copy.expires = expires;
    return copy;
  }
};

/// A table of nodes with an order to remove them in: SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI
/// 2024). A hand goes from the oldest to the newest, spares what was visited since it came by, and removes
/// the first that was not.
struct Copies::Shard {
  platform::Mutex mutex;
  board::Board::Mapping mapping DCACHE_GUARDED_BY(mutex);
  std::vector<Node*> buckets DCACHE_GUARDED_BY(mutex);
  std::size_t count DCACHE_GUARDED_BY(mutex) = 0;
  std::uint64_t used DCACHE_GUARDED_BY(mutex) = 0;
  Node* newest DCACHE_GUARDED_BY(mutex) = nullptr;
  Node* oldest DCACHE_GUARDED_BY(mutex) = nullptr;
  Node* hand DCACHE_GUARDED_BY(mutex) = nullptr;
  std::uint64_t hits DCACHE_GUARDED_BY(mutex) = 0;
  std::uint64_t misses DCACHE_GUARDED_BY(mutex) = 0;

  Node*& bucket_of(std::uint64_t hash) DCACHE_REQUIRES(mutex) {
    return buckets[hash >> 38 & (buckets.size() - 1)];
  }

  Node* find(std::string_view key, std::uint64_t hash) DCACHE_REQUIRES(mutex) {
    if (buckets.empty()) return nullptr;
    for (Node* node = bucket_of(hash); node != nullptr; node = node->chain) {
      if (node->hash == hash && node->key() == key) return node;
    }
    return nullptr;
  }

  void remove(Node* node) noexcept DCACHE_REQUIRES(mutex) {
    Node** at = &bucket_of(node->hash);
    while (*at != node) at = &(*at)->chain;
    *at = node->chain;
    (node->newer != nullptr ? node->newer->older : newest) = node->older;
    (node->older != nullptr ? node->older->newer : oldest) = node->newer;
    if (hand == node) hand = node->newer;
    --count;
    used -= node->size();
    std::free(node);
  }

  void remove_one() noexcept DCACHE_REQUIRES(mutex) {
    Node* node = hand != nullptr ? hand : oldest;
    while (node->visited) {
      node->visited = false;
      node = node->newer != nullptr ? node->newer : oldest;
    }
    hand = node->newer;
    remove(node);
  }

  void insert(Node* node) noexcept DCACHE_REQUIRES(mutex) {
    Node*& bucket = bucket_of(node->hash);
    node->chain = bucket;
    bucket = node;
    node->older = newest;
    (newest != nullptr ? newest->newer : oldest) = node;
    newest = node;
    ++count;
    used += node->size();
  }

  /// Twice the buckets, where that leaves most of the room to nodes.
  void grow(std::uint64_t limit) DCACHE_REQUIRES(mutex) {
    constexpr std::size_t kFirstBuckets = 64;
    const std::size_t wanted = std::max(kFirstBuckets, 2 * buckets.size());
    if (wanted * sizeof(Node*) > limit / 8) return;
    std::vector<Node*> old(wanted);
    old.swap(buckets);
    used += (buckets.size() - old.size()) * sizeof(Node*);
    for (Node* node : old) {
      while (node != nullptr) {
        Node* const next = node->chain;
        Node*& bucket = bucket_of(node->hash);
        node->chain = bucket;
        bucket = node;
        node = next;
      }
    }
  }

  void clear() noexcept DCACHE_REQUIRES(mutex) {
    while (oldest != nullptr) remove(oldest);
  }
};

Copies::Copies(std::shared_ptr<board::Board> board, std::uint64_t bytes)
    : board_(std::move(board)),
      count_(shards_for(bytes)),
      bytes_a_shard_(bytes / count_),
      shards_(std::make_unique<Shard[]>(count_)) {}

Copies::~Copies() {
  for (std::size_t i = 0; i < count_; ++i) {
    platform::MutexLock lock(shards_[i].mutex);
    shards_[i].clear();
  }
}

Copies::Shard& Copies::shard_of(std::uint64_t hash) noexcept { return shards_[(hash >> 32) % count_]; }

Copies::Found Copies::find(std::string_view key, std::uint64_t hash, FunctionRef<void(const Copy&)> use,
                           Count count) {
  Shard& shard = shard_of(hash);
  platform::MutexLock lock(shard.mutex);
  if (shard.mapping.memory == nullptr) return Found::unknown;
  // What others find as the board is looked at ten times a second. From then on this board is the one, or
  // else nobody trusts another yet.
  if (!board_->is_current(shard.mapping.id) &&
      (board_->mapping().memory != shard.mapping.memory || !board_->is_current(shard.mapping.id))) {
    return Found::unknown;
  }
  Node* const node = shard.find(key, hash);
  if (node == nullptr) return Found::unknown;
  const platform::SharedMemory& memory = *shard.mapping.memory;
  if (board::generation(memory, board::generation_of(hash)).load(std::memory_order_acquire) !=
          node->key_generation ||
      board::all_generation(memory).load(std::memory_order_acquire) != node->all_generation) {
    return Found::unknown;
  }
  node->visited = true;
  const bool live =
      node->present && (!node->has_expiry || node->expires > platform::now().unix_nanoseconds());
  if (count == Count::yes) ++(live ? shard.hits : shard.misses);
  if (!live) return Found::absent;
  use(node->copy());
  return Found::present;
}

Copies::Ticket Copies::ask(std::uint64_t hash) {
  Ticket ticket{.mapping = board_->mapping()};
  if (ticket.mapping.memory == nullptr) return ticket;
  const platform::SharedMemory& memory = *ticket.mapping.memory;
  ticket.all = board::all_generation(memory).load(std::memory_order_acquire);
  ticket.key = board::generation(memory, board::generation_of(hash)).load(std::memory_order_acquire);
  if (steady(ticket.all) && steady(ticket.key)) return ticket;
  const std::uint64_t odd = steady(ticket.all) ? ticket.key : ticket.all;
  const std::int64_t now = platform::coarse_monotonic_ns();
  if (odd_.exchange(odd, std::memory_order_relaxed) != odd) {
    odd_since_.store(now, std::memory_order_relaxed);
  } else if (now - odd_since_.load(std::memory_order_relaxed) > kStuckAfter) {
    odd_since_.store(now, std::memory_order_relaxed);
    ticket.stuck = true;
  }
  return ticket;
}

void Copies::keep(const Ticket& ticket, std::string_view key, std::uint64_t hash, const Copy* copy) noexcept {
  if (ticket.mapping.memory == nullptr || !steady(ticket.all) || !steady(ticket.key)) return;
  if (copy != nullptr && copy->value.size() > largest()) return;
  Shard& shard = shard_of(hash);
  platform::MutexLock lock(shard.mutex);
  if (shard.mapping.id != ticket.mapping.id) {
    shard.clear();
    shard.mapping = ticket.mapping;
  }
  if (Node* const old = shard.find(key, hash)) shard.remove(old);
  Node header{.hash = hash,
              .key_generation = ticket.key,
              .all_generation = ticket.all,
              .key_size = static_cast<std::uint32_t>(key.size())};
  if (copy != nullptr) {
    header.present = true;
    header.stored = copy->stored;
    header.id = copy->id;
    header.has_expiry = copy->expires.has_value();
    header.expires = copy->expires.value_or(0);
    header.format = copy->format;
    header.tags_size = static_cast<std::uint32_t>(copy->tags.size());
    header.value_size = static_cast<std::uint32_t>(copy->value.size());
  }
  try {
    if (shard.count >= shard.buckets.size()) shard.grow(bytes_a_shard_);
  } catch (const std::bad_alloc&) {
    // Longer chains, then.
  }
  if (shard.buckets.empty()) return;
  if (shard.buckets.size() * sizeof(Node*) + header.size() > bytes_a_shard_) return;
  while (shard.used + header.size() > bytes_a_shard_) shard.remove_one();
  void* const block = std::malloc(sizeof(Node) + key.size() + header.tags_size + header.value_size);
  if (block == nullptr) return;
  Node* const node = new (block) Node(header);
  char* bytes = node->bytes();
  for (const std::string_view part : {key, copy != nullptr ? copy->tags : std::string_view(),
                                      copy != nullptr ? copy->value : std::string_view()}) {
    bytes = std::copy(part.begin(), part.end(), bytes);
  }
  shard.insert(node);
}

std::uint64_t Copies::sum(std::uint64_t Shard::*of) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    platform::MutexLock lock(shards_[i].mutex);
    total += shards_[i].*of;
  }
  return total;
}

std::uint64_t Copies::hits() { return sum(&Shard::hits); }
std::uint64_t Copies::misses() { return sum(&Shard::misses); }
std::uint64_t Copies::bytes() { return sum(&Shard::used); }

}  // namespace dcache::store
