// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "verbs.hpp"

namespace dcache::cli {

/// `dcache --help`.
[[nodiscard]] std::string help_for_all(const std::vector<Argument>& globals);

/// `dcache lock --help`.
[[nodiscard]] std::string help_for_family(std::string_view family);

/// `dcache VERB --help`.
[[nodiscard]] std::string help_for(const Verb& verb, const Command& command);

}  // namespace dcache::cli
