// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "dcache/entry.hpp"
#include "store/memory/table.hpp"

namespace dcache::store::memory {

inline Entry entry_of(std::string_view key, const Item& item, bool with_value) {
  Entry entry;
  entry.key = key;
  if (with_value) entry.value = *item.bytes;
  entry.expires = item.expires;
  entry.tags = item.tags;
  entry.stored = item.stored;
  entry.size = item.bytes->size();
  entry.format = item.format;
  return entry;
}

}  // namespace dcache::store::memory
