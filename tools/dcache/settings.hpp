// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "dcache/options.hpp"

namespace dcache::cli {

/// "none" or "oldest", as `dcache config` reads and shows it.
[[nodiscard]] std::string_view name_of(Policy policy) noexcept;

}  // namespace dcache::cli
