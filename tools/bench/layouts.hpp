// SPDX-License-Identifier: Apache-2.0
//
// Ways to lay out a cache in SQLite tables.
#pragma once

#include <string>
#include <vector>

namespace bench {

/// One way, as SQL. Statements may use the parameters :key, :value, :stored, :expires, :sum, :sequence, :tags
/// (packed), :id (of the row found or last inserted) and :tag; one that uses :tag runs once for each tag.
struct Layout {
  std::string group;  ///< what is compared
  std::string name;
  int page_size = 2048;
  int cache_kib = 8192;
  int checkpoint_pages = 1000;
  bool transaction = true;  ///< BEGIN IMMEDIATE and COMMIT around every change
  int tags = 0;             ///< tags of each entry
  bool expires = false;     ///< whether entries have an expiry
  std::string schema = {};
  /// Finds the row to change: its id first. Empty: `insert` also overwrites, and `erase` needs no id.
  std::string find = {};
  std::vector<std::string> insert = {};
  std::vector<std::string> update = {};
  std::string get = {};
  std::vector<std::string> erase = {};
};

[[nodiscard]] std::vector<Layout> layouts();

}  // namespace bench
