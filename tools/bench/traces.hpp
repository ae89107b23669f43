// SPDX-License-Identifier: Apache-2.0
//
// Sequences of keys as programs ask a cache for them, and exact caches in memory, counted in entries, that
// say how many of them can be hits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <list>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bench {

using Trace = std::vector<std::uint32_t>;

/// Keys 0 to keys - 1, the first the most wanted, by Zipf's law: the usual model of what people ask for.
class Zipf {
 public:
  Zipf(std::size_t keys, double exponent) {
    sums_.reserve(keys);
    double sum = 0;
    for (std::size_t i = 1; i <= keys; ++i)
      sums_.push_back(sum += 1 / std::pow(static_cast<double>(i), exponent));
  }
  template <class Random>
  std::uint32_t operator()(Random& random) const {
    const double at = std::uniform_real_distribution<double>(0, sums_.back())(random);
    const auto found = std::lower_bound(sums_.begin(), sums_.end(), at);
    return static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(found - sums_.begin(), std::ssize(sums_) - 1));
  }

 private:
  std::vector<double> sums_;
};

inline Trace zipf_trace(std::size_t keys, std::size_t length, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const Zipf zipf(keys, 0.99);
  Trace trace(length);
  for (std::uint32_t& key : trace) key = zipf(random);
  return trace;
}

/// Zipf, and a fifth of all asks are of scans: runs of keys that nobody asks for again.
inline Trace scan_trace(std::size_t keys, std::size_t length, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const Zipf zipf(keys, 0.99);
  const std::size_t scan = std::max<std::size_t>(keys / 10, 1);
  Trace trace;
  trace.reserve(length);
  for (auto fresh = static_cast<std::uint32_t>(keys); trace.size() < length;) {
    for (std::size_t i = 0; i < 4 * scan && trace.size() < length; ++i) trace.push_back(zipf(random));
    for (std::size_t i = 0; i < scan && trace.size() < length; ++i) trace.push_back(fresh++);
  }
  return trace;
}

/// The same keys over and over, in order.
inline Trace loop_trace(std::size_t keys, std::size_t length) {
  Trace trace(length);
  for (std::size_t i = 0; i < length; ++i) trace[i] = static_cast<std::uint32_t>(i % keys);
  return trace;
}

/// Whether each ask was a hit, and keeping what was missed.
class ExactCache {
 public:
  explicit ExactCache(std::size_t capacity) : capacity_(std::max<std::size_t>(capacity, 1)) {}
  virtual ~ExactCache() = default;
  virtual bool ask(std::uint32_t key) = 0;

 protected:
  struct Node {
    std::uint32_t key = 0;
    bool visited = false;
  };
  using Nodes = std::list<Node>;
  const std::size_t capacity_;
  Nodes nodes_;  ///< the newest first
  std::unordered_map<std::uint32_t, Nodes::iterator> at_;

  void insert(std::uint32_t key) {
    nodes_.push_front({key});
    at_[key] = nodes_.begin();
  }
};

class ExactLru final : public ExactCache {
 public:
  using ExactCache::ExactCache;
  bool ask(std::uint32_t key) override {
    if (const auto found = at_.find(key); found != at_.end()) {
      nodes_.splice(nodes_.begin(), nodes_, found->second);
      return true;
    }
    if (nodes_.size() >= capacity_) {
      at_.erase(nodes_.back().key);
      nodes_.pop_back();
    }
    insert(key);
    return false;
  }
};

/// As published: the hand goes from the oldest to the newest, and stays where it removed one.
class ExactSieve final : public ExactCache {
 public:
  using ExactCache::ExactCache;
  bool ask(std::uint32_t key) override {
    if (const auto found = at_.find(key); found != at_.end()) {
      found->second->visited = true;
      return true;
    }
    if (nodes_.size() >= capacity_) remove_one();
    insert(key);
    return false;
  }

 private:
  void remove_one() {
    if (hand_ == nodes_.end()) hand_ = std::prev(nodes_.end());
    while (hand_->visited) {
      hand_->visited = false;
      hand_ = hand_ == nodes_.begin() ? std::prev(nodes_.end()) : std::prev(hand_);
    }
    const auto gone = hand_;
    hand_ = hand_ == nodes_.begin() ? nodes_.end() : std::prev(hand_);
    at_.erase(gone->key);
    nodes_.erase(gone);
  }

  Nodes::iterator hand_ = nodes_.end();
};

/// The part of the second half of a trace that is hits: by then a cache is full.
template <class Ask>
double hit_ratio(const Trace& trace, Ask ask) {
  std::size_t hits = 0;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    if (ask(trace[i]) && i >= trace.size() / 2) ++hits;
  }
  return static_cast<double>(hits) / static_cast<double>(trace.size() - trace.size() / 2);
}

}  // namespace bench
