// SPDX-License-Identifier: Apache-2.0
//
// The order of insertion is what the cache lists by, so there is nothing to keep besides the values.
#include "dcache/index.hpp"

#include <string_view>

#include "cache/limits.hpp"
#include "recipes/damage.hpp"

namespace dcache {

namespace {

constexpr char kSlash = '/';
/// Most items removed in one transaction.
constexpr std::size_t kKeysAStep = 200;

std::optional<Entry> first_of(const Items& items) {
  for (const Entry& item : items) return item;
  return std::nullopt;
}

}  // namespace

Index::Index(Cache& cache, ByteView name)
    : cache_(cache.share()), name_(name.view()), prefix_(name_ + kSlash) {
  check_key(prefix_);
}

std::string Index::full(ByteView key) const { return prefix_ + std::string(key.view()); }

void Index::set(ByteView key, ByteView value, const SetOptions& options) {
  cache_.set(full(key), value, options);
}

void Index::set_many(std::initializer_list<std::pair<ByteView, ByteView>> items, const SetOptions& options) {
  std::vector<std::string> keys;
  keys.reserve(items.size());
  std::vector<std::pair<ByteView, ByteView>> renamed;
  for (const auto& [key, value] : items) renamed.emplace_back(keys.emplace_back(full(key)), value);
  cache_.set_many(renamed, options);
}

std::optional<std::string> Index::get(ByteView key) const { return cache_.get(full(key)); }
bool Index::contains(ByteView key) const { return cache_.contains(full(key)); }
bool Index::erase(ByteView key) { return cache_.erase(full(key)); }
std::optional<std::string> Index::pop(ByteView key) { return cache_.pop(full(key)); }

std::string Index::setdefault(ByteView key, ByteView value, const SetOptions& options) {
  const std::string name = full(key);
  if (auto there = cache_.get(name)) return *std::move(there);
  return cache_.transact([&](Transaction& tx) {
    if (auto there = tx.get(name)) return *std::move(there);
    tx.set(name, value, options);
    return std::string(value.view());
  });
}

/// Whether the keys are in several shards, so that no transaction can hold them all.
bool Index::spread() const { return cache_.state()->store().spreads(prefix_); }

std::optional<Entry> Index::popitem(Side side) {
  const EntryFilter filter{.prefix = prefix_, .reverse = side == Side::back, .values = false};
  std::vector<Corrupt> damage;  // told when the transaction is over
  const auto take = [&](const std::string& key) {
    std::optional<Entry> item = cache_.entry(key);
    if (item) cache_.erase(key);
    return item;
  };
  const auto take_first = [&](auto&& take_one) {
    std::optional<Entry> item;
    for (const Entry& found : cache_.entries(filter)) {
      try {
        item = take_one(found.key);
      } catch (const Corrupt& error) {
        damage.push_back(error);
      }
      if (item) break;
    }
    return item;
  };
  std::optional<Entry> taken = spread() ? take_first([&](const std::string& key) {
    return cache_.transact([&](Transaction&) { return take(key); });
  })
                                        : cache_.transact([&](Transaction&) { return take_first(take); });
  for (const Corrupt& error : damage) recipes::tell_damage(*cache_.state(), error);
  if (taken) taken->key.erase(0, prefix_.size());
  return taken;
}

std::optional<Entry> Index::first() const { return first_of(items(Side::front)); }
std::optional<Entry> Index::last() const { return first_of(items(Side::back)); }

Items Index::items(Side from) const {
  return {cache_,
          {.prefix = prefix_, .reverse = from == Side::back},
          [skip = prefix_.size()](std::string_view key) { return key.substr(skip); }};
}

std::vector<std::string> Index::keys() const {
  std::vector<std::string> keys;
  const EntryFilter filter{.prefix = prefix_, .values = false};
  for (const Entry& entry : cache_.entries(filter)) keys.push_back(entry.key.substr(prefix_.size()));
  return keys;
}

std::uint64_t Index::size() const {
  std::uint64_t count = 0;
  const EntryFilter filter{.prefix = prefix_, .order = Order::key, .values = false};
  for ([[maybe_unused]] const Entry& entry : cache_.entries(filter)) ++count;
  return count;
}

std::uint64_t Index::clear() {
  std::uint64_t count = 0;
  const auto remove_some = [&] {
    std::vector<std::string> keys;
    const EntryFilter filter{.prefix = prefix_, .order = Order::key, .values = false};
    for (const Entry& entry : cache_.entries(filter)) {
      keys.push_back(entry.key);
      if (keys.size() == kKeysAStep) break;
    }
    for (const std::string& key : keys) count += cache_.erase(key) ? 1 : 0;
    return keys.size();
  };
  for (std::size_t found = kKeysAStep; found == kKeysAStep;) {
    found = spread() ? remove_some() : cache_.transact([&](Transaction&) { return remove_some(); });
  }
  return count;
}

}  // namespace dcache
