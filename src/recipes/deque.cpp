// SPDX-License-Identifier: Apache-2.0
#include "dcache/deque.hpp"

#include <string>
#include <utility>
#include <vector>

#include "recipes/passed.hpp"
#include "recipes/queue_keys.hpp"

namespace dcache {

namespace {

Side opposite(Side side) noexcept { return side == Side::front ? Side::back : Side::front; }

}  // namespace

Deque::Deque(Cache& cache, ByteView name, std::optional<std::uint64_t> max_size)
    : queue_(cache, name), max_size_(max_size) {}

void Deque::push(Side side, std::span<const ByteView> values) {
  queue_.cache_.transact([&](Transaction& tx) {
    for (const ByteView& value : values) queue_.put(side, value, {});
    if (!max_size_) return;
    std::vector<std::string> too_many;
    std::uint64_t seen = 0;
    queue_.walk(side, [&](const std::string& key) {
      if (++seen > *max_size_) too_many.push_back(key);
      return true;
    });
    for (const std::string& key : too_many) tx.erase(key);
  });
  queue_.wake();
}

std::optional<std::string> Deque::pop(Side side) {
  std::optional<Entry> entry = queue_.pull({.side = side});
  if (!entry) return std::nullopt;
  return std::move(entry->value);
}

std::optional<std::string> Deque::peek(Side side) const {
  std::optional<Entry> entry = queue_.peek(side);
  if (!entry) return std::nullopt;
  return std::move(entry->value);
}

std::optional<std::string> Deque::key_at(std::int64_t index) const {
  std::optional<std::string> found;
  const bool from_front = index >= 0;
  // -1 is the first from the back; its complement cannot overflow.
  auto left = static_cast<std::uint64_t>(from_front ? index : ~index);
  queue_.walk(from_front ? Side::front : Side::back, [&](const std::string& key) {
    if (left-- > 0) return true;
    found = key;
    return false;
  });
  return found;
}

std::optional<std::string> Deque::at(std::int64_t index) const {
  // Between finding the key and reading its value somebody may take it: then another is there.
  while (const std::optional<std::string> key = key_at(index)) {
    if (auto value = queue_.cache_.get(*key)) return value;
    if (key_at(index) == key) return std::nullopt;  // it has expired
  }
  return std::nullopt;
}

bool Deque::set(std::int64_t index, ByteView value) {
  return queue_.cache_.transact([&](Transaction& tx) {
    const std::optional<std::string> key = key_at(index);
    if (key) tx.set(*key, value);
    return key.has_value();
  });
}

bool Deque::erase(std::int64_t index) {
  return queue_.cache_.transact([&](Transaction& tx) {
    const std::optional<std::string> key = key_at(index);
    return key && tx.erase(*key);
  });
}

void Deque::rotate(std::int64_t steps) {
  const Side from = steps >= 0 ? Side::back : Side::front;
  Queue::Passed passed(queue_.cache_);
  queue_.cache_.transact([&](Transaction& tx) {
    std::vector<std::string> keys;
    queue_.walk(from, [&](const std::string& key) {
      keys.push_back(key);
      return true;
    });
    if (keys.empty()) return;
    const auto wanted = static_cast<std::uint64_t>(steps >= 0 ? steps : -(steps + 1)) + (steps < 0 ? 1 : 0);
    keys.resize(wanted % keys.size());
    for (const std::string& key : keys) {
      const std::optional<Entry> entry = queue_.read(key, passed);
      if (!entry) continue;
      tx.erase(key);
      queue_.put(opposite(from), ByteView(entry->value).as(entry->format),
                 {.expire_at = entry->expires, .tags = Tags(entry->tags)});
    }
  });
  queue_.wake();
}

}  // namespace dcache
