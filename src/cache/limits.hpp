// SPDX-License-Identifier: Apache-2.0
//
// Arguments of public calls, checked before anything is written.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/options.hpp"
#include "dcache/tags.hpp"

namespace dcache {

/// Each throws InvalidArgument, naming what is wrong and the limit.
void check_key(std::string_view key);
void check_value_size(std::string_view key, std::uint64_t size);

/// The tags sorted and without repeats, checked.
std::vector<std::string> checked_tags(const Tags& tags);

/// When a value stored now with these options ends; none = never.
std::optional<Timestamp> expiry(const SetOptions& options);

/// `duration` from now; none = never.
std::optional<Timestamp> expiry(Duration duration);

}  // namespace dcache
