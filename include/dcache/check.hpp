// SPDX-License-Identifier: Apache-2.0
//
// Looking for damage in a stored cache, and mending it: what `Cache::check` takes and answers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/export.hpp"

namespace dcache {

struct CheckOptions {
  /// Mends what can be mended. Without it nothing is written.
  bool fix = false;
  /// Told now and then how much of the work is done; `total` is an estimate that `done` reaches at the end.
  /// Nothing is locked while it runs. What it throws ends the check and comes out of it.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress = {};
};

/// Something that is not as it should be.
struct Problem {
  enum class Kind {
    database,  ///< the database itself is damaged; with damage to its structure nothing is mended at all
    index,     ///< an index does not fit its table; mended by making the indexes anew
    value,     ///< a value does not match its checksum, or its file is gone; it is set aside
    tag,       ///< the list of a tag lacks a value, or has one too many; mended
    total,     ///< the stored number of bytes in value files is wrong; counted anew
    settings,  ///< the stored settings cannot be read; they become the default ones
    fence,     ///< the counter of fences cannot be read, so that no lock can be granted; not mended
    leftover,  ///< a file of a crashed writer, or one that no value refers to; removed
    foreign,   ///< a file among the value files that is not ours; left alone
  };
  Kind kind = Kind::database;
  std::optional<std::string> key = {};  ///< of the value in question
  std::string text = {};                ///< for people: what was found, and what was done or is to be done
  bool fixed = false;
};

/// The name of a kind, as "value".
[[nodiscard]] DCACHE_EXPORT std::string_view name(Problem::Kind kind) noexcept;

/// What a check has looked at and found.
struct CheckReport {
  std::uint64_t entries = 0;   ///< values, expired ones included
  std::uint64_t tag_rows = 0;  ///< pairs of a tag and a value
  std::uint64_t records = 0;   ///< locks
  std::uint64_t files = 0;     ///< value files
  std::vector<Problem> problems = {};
};

}  // namespace dcache
