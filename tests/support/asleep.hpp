// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "cache/state.hpp"
#include "dcache/cache.hpp"
#include "support/check.hpp"

namespace dcache::test {

/// One who sleeps on a topic's word as it is now, and never looks by itself.
class Asleep {
 public:
  Asleep(const Cache& cache, std::string topic)
      : store_(cache.state()->store()), topic_(std::move(topic)), word_(store_.topic_word(topic_)) {
    REQUIRE(word_);
  }

  /// What `look` finds then; fails the test if nobody wakes it.
  template <class Look>
  auto until_woken(Look look) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (store_.topic_word(topic_) == word_ && std::chrono::steady_clock::now() < end) {
      store_.sleep_on(topic_, *word_, end);
    }
    CHECK(store_.topic_word(topic_) != word_);
    return look();
  }

 private:
  Store& store_;
  const std::string topic_;
  const std::optional<std::uint32_t> word_;
};

}  // namespace dcache::test
