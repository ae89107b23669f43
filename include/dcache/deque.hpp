// SPDX-License-Identifier: Apache-2.0
//
// A sequence of values that processes share.
//
//   dcache::Deque recent{cache, "recent", 100};
//   recent.push_back("search: cats");
//   for (const dcache::Entry& item : recent.items()) show(item.value);
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "dcache/queue.hpp"

namespace dcache {

/// A double-ended queue, changed in atomic steps by threads and processes. Its items are those of the Queue
/// of the same name, and everything said there holds here: items on lease are passed over by `pop_front`,
/// `pop_back`, `front` and `back`. The model is diskcache's Deque.
///
/// With `max_size`, what is more than that leaves at the other end in the same step. It belongs to the
/// object, not to what is stored, so all who put something in should name the same. Ends are reached at once;
/// a position in the middle, and `max_size`, by counting keys.
class DCACHE_EXPORT Deque {
 public:
  /// Throws as Queue's constructor.
  Deque(Cache& cache, ByteView name, std::optional<std::uint64_t> max_size = {});

  void push_back(ByteView value) { push(Side::back, std::span(&value, 1)); }
  void push_front(ByteView value) { push(Side::front, std::span(&value, 1)); }

  /// Puts several at an end, one after another, in one step: all or none. At the front the last one given
  /// comes to be first.
  void extend(std::span<const ByteView> values, Side side = Side::back) { push(side, values); }
  void extend(std::initializer_list<ByteView> values, Side side = Side::back) {
    push(side, std::span(values.begin(), values.size()));
  }
  template <std::ranges::input_range R>
  requires(!std::convertible_to<const R&, std::span<const ByteView>> &&
           std::is_lvalue_reference_v<std::ranges::range_reference_t<const R>>) void extend(const R& values,
                                                                                            Side side =
                                                                                                Side::back) {
    const std::vector<ByteView> views(std::ranges::begin(values), std::ranges::end(values));
    push(side, views);
  }

  /// Takes the value at an end; nothing if there is none.
  [[nodiscard]] std::optional<std::string> pop_front() { return pop(Side::front); }
  [[nodiscard]] std::optional<std::string> pop_back() { return pop(Side::back); }

  /// What the two above would take.
  [[nodiscard]] std::optional<std::string> front() const { return peek(Side::front); }
  [[nodiscard]] std::optional<std::string> back() const { return peek(Side::back); }

  /// The value at a position, counted from 0 at the front or from -1 at the back; nothing if there is none.
  [[nodiscard]] std::optional<std::string> at(std::int64_t index) const;

  /// Replaces the value at a position and says whether there was one.
  bool set(std::int64_t index, ByteView value);

  /// Removes the value at a position and says whether there was one.
  bool erase(std::int64_t index);

  /// Moves items from the back to the front, `steps` times, or the other way if that is negative, in one
  /// step. A damaged one stays where it is. An item gets another key with that: leases of items that are
  /// moved remove nothing when they are acked.
  void rotate(std::int64_t steps = 1);

  /// The items, from an end to the other, as Items says.
  [[nodiscard]] Items items(Side from = Side::front) const { return queue_.items(from); }

  /// Number of items; counted one by one.
  [[nodiscard]] std::uint64_t size() const { return queue_.size(); }
  [[nodiscard]] bool empty() const { return !front().has_value(); }

  /// Removes all items, in small steps. Returns how many.
  std::uint64_t clear() { return queue_.clear(); }

  [[nodiscard]] const std::string& name() const noexcept { return queue_.name(); }
  [[nodiscard]] std::optional<std::uint64_t> max_size() const noexcept { return max_size_; }

 private:
  void push(Side side, std::span<const ByteView> values);
  [[nodiscard]] std::optional<std::string> pop(Side side);
  [[nodiscard]] std::optional<std::string> peek(Side side) const;
  [[nodiscard]] std::optional<std::string> key_at(std::int64_t index) const;

  Queue queue_;
  std::optional<std::uint64_t> max_size_;
};

}  // namespace dcache
