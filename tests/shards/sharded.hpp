// SPDX-License-Identifier: Apache-2.0
//
// A cache of four shards in a directory of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cache/state.hpp"
#include "dcache/dcache.hpp"
#include "support/check.hpp"

namespace dcache::test {

inline constexpr std::uint32_t kShards = 4;

struct FourShards {
  TempDir dir;
  Cache cache{dir / "cache", {.shards = kShards}};

  [[nodiscard]] std::filesystem::path path() const { return dir / "cache"; }
  [[nodiscard]] Store& store() const { return cache.state()->store(); }
};

/// A key of that shard, of those that begin with `prefix`.
inline std::string key_in(const Cache& cache, std::size_t shard, const std::string& prefix = "k") {
  for (int i = 0;; ++i) {
    std::string key = prefix + std::to_string(i);
    if (cache.state()->store().shard_of(key) == shard) return key;
  }
}

}  // namespace dcache::test
