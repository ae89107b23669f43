// SPDX-License-Identifier: Apache-2.0
#include "entry_words.hpp"

#include "text.hpp"

namespace dcache::cli {

Record describe(const Entry& entry) {
  const Duration left = entry.expires ? left_until(*entry.expires) : forever;
  return {{"key", entry.key},
          {"size", Size{entry.size}},
          {"format", std::string(format_name(entry.format))},
          {"tags", entry.tags},
          {"stored", entry.stored},
          {"age", age_of(entry.stored)},
          {"expires", entry.expires},
          {"left", left}};
}

}  // namespace dcache::cli
