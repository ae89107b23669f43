// SPDX-License-Identifier: Apache-2.0
//
// What `dcache doctor` finds. Nothing of it changes anything.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/cache.hpp"

namespace dcache::cli {

struct Finding {
  enum class State { ok, note, warning, problem };
  State state = State::ok;
  std::string_view check;  ///< what was looked at, in one word
  std::string text;        ///< what was found, escaped
  std::string mend = {};   ///< what to do about it, escaped; nothing if there is nothing to do
};

using Findings = std::vector<Finding>;

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// What is under the cache. doctor_place.cpp

/// Modes and owners of the files in `directory`.
[[nodiscard]] Finding look_at_files(const std::filesystem::path& directory);
/// "ext4", or "unknown".
[[nodiscard]] std::string file_system_of(const std::filesystem::path& directory);
/// Whether a lock that one descriptor has is seen by another, and gone when it is given back: proof of life
/// and all locks stand on that.
[[nodiscard]] Finding look_at_byte_locks(const std::filesystem::path& directory);
[[nodiscard]] Finding look_at_space(const std::filesystem::path& directory);
/// The limits of this process, as other programs have them that are started in the same way.
[[nodiscard]] Findings look_at_limits(const Stats& stats);
/// What crashed writers of large values left.
[[nodiscard]] Finding look_at_leftovers(const std::filesystem::path& directory);

}  // namespace dcache::cli
