// SPDX-License-Identifier: Apache-2.0
//
// Walks over what queues, deques and indexes hold.
#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <string_view>

#include "dcache/cache.hpp"

namespace dcache {

/// An end of something that has an order.
enum class Side { front, back };

/// The live items of a queue, deque or index. As `Cache::entries` it is a query: each `begin()` looks anew,
/// and what is changed during the walk may be seen or not. Damaged items are passed over and told to
/// `Options::on_error`.
class DCACHE_EXPORT Items {
 public:
  class Iterator;

  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class Index;
  friend class Queue;
  /// What of a cache's key an item is shown under; null if it is no item.
  using Name = std::function<std::string_view(std::string_view key)>;
  Items(const Cache& cache, EntryFilter filter, Name name);

  struct Query;
  std::shared_ptr<const Query> query_;
};

/// One walk. Copies share it, as with every input iterator.
class DCACHE_EXPORT Items::Iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using iterator_category = std::input_iterator_tag;
  using value_type = Entry;
  using difference_type = std::ptrdiff_t;
  using pointer = const Entry*;
  using reference = const Entry&;

  const Entry& operator*() const;
  const Entry* operator->() const { return &**this; }
  Iterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.done(); }
  // NOLINTNEXTLINE(readability-redundant-declaration): as for Entries
  friend bool operator!=(const Iterator& it, std::default_sentinel_t) { return !it.done(); }

 private:
  friend class Items;
  struct Walk;
  explicit Iterator(std::shared_ptr<Walk> walk) : walk_(std::move(walk)) {}
  [[nodiscard]] bool done() const noexcept;

  std::shared_ptr<Walk> walk_;
};

}  // namespace dcache
