// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace dcache::cli {

/// The one of `names` that `word` was probably meant to be, if it is near enough to any.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      const std::vector<std::string_view>& names);

}  // namespace dcache::cli
