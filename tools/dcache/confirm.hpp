// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace dcache::cli {

/// Whether there is somebody to ask: stdin and stderr are terminals.
[[nodiscard]] bool can_ask() noexcept;

/// Whether the answer to `question` is yes.
[[nodiscard]] bool confirmed(const std::string& question);

}  // namespace dcache::cli
