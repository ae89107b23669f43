// SPDX-License-Identifier: Apache-2.0
//
// What a cache should hold after some calls, worked out the plain way.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dcache/cache.hpp"

namespace dcache::test {

class Model {
 public:
  struct Row {
    std::string value;
    Format format = Format::text;
    std::vector<std::string> tags;
    std::optional<Timestamp> expires;
    bool dead = false;  ///< expired: may still be stored, but is not seen
    std::uint64_t place = 0;
    /// Stored over a dead row, which may or may not have been there still: so its place may be either's.
    bool loose = false;
  };

  [[nodiscard]] const Row* find(const std::string& key) const;
  void put(const std::string& key, Row row);
  void erase(const std::string& key) { rows_.erase(key); }
  void expire(const std::string& key) { rows_.at(key).dead = true; }
  void retime(const std::string& key, std::optional<Timestamp> expires) { rows_.at(key).expires = expires; }

  /// How many a bulk call has to remove, and how many it may.
  struct Bounds {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
  };
  Bounds evict(const std::vector<std::string>& tags, Match match);
  Bounds clear();
  Bounds sweep();

  struct Listed {
    std::string key;
    Row row;
  };
  [[nodiscard]] std::vector<Listed> list(const EntryFilter& filter) const;

  /// Counts as `Cache::stats` does: with and without what has expired.
  [[nodiscard]] Bounds count() const;
  [[nodiscard]] Bounds value_bytes() const;
  [[nodiscard]] Bounds tags() const;

 private:
  std::map<std::string, Row> rows_;
  std::uint64_t places_ = 0;
};

/// Whether a row with these tags is selected.
bool matches(const std::vector<std::string>& tags, const std::vector<std::string>& wanted, Match match);

}  // namespace dcache::test
