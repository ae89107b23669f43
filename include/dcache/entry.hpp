// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dcache/bytes.hpp"
#include "dcache/duration.hpp"
#include "dcache/tags.hpp"

namespace dcache {

/// A stored value with all that is known about it.
struct Entry {
  std::string key;
  std::string value;                 ///< empty when the listing was asked to leave values out
  std::optional<Timestamp> expires;  ///< wall-clock time; none = never
  std::vector<std::string> tags;     ///< sorted
  Timestamp stored;                  ///< wall-clock time of the last set, add or incr
  std::uint64_t size = 0;            ///< bytes of the value
  Format format = Format::bytes;
};

/// In which order a listing goes.
enum class Order {
  inserted,  ///< first insertion of the key; an overwritten value keeps its place
  key,       ///< byte by byte
};

/// Which entries a listing shows. All conditions must hold; the default shows every live entry.
struct EntryFilter {
  std::string prefix = {};   ///< keys that begin with these bytes
  Tags tags = {};            ///< none = whatever the tags
  Match match = Match::all;  ///< how several tags select
  Order order = Order::inserted;
  bool reverse = false;
  bool values = true;  ///< false leaves `Entry::value` empty and reads no value
};

}  // namespace dcache
