// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "command.hpp"

namespace dcache::cli {

/// The words of a command line, taken apart as far as finding the verb needs.
struct Words {
  std::vector<std::string> verb;  ///< the first words that are neither options nor options' values; at most 2
  std::vector<std::size_t> at;    ///< where each of them is
};

/// Finds the verb in `words`, of which `globals` may stand before it.
[[nodiscard]] Words find_verb(const std::vector<std::string>& words, const std::vector<Argument>& globals);

/// Hands each of `words` (without the verb) to the argument of `command` or `globals` that it belongs to.
/// What is missing is complained about unless `lenient()`, asked after all words were handed over: help was
/// asked for. Throws UsageError; `title` is how the messages call the command.
void parse(const std::string& title, const Command& command, const std::vector<Argument>& globals,
           const std::vector<std::string>& words, const std::function<bool()>& lenient);

}  // namespace dcache::cli
