// SPDX-License-Identifier: Apache-2.0
//
// Colors, and little of them: headings, states, and the beginning of an error.
#pragma once

#include <string>
#include <string_view>

namespace dcache::cli {

/// Which streams get colors. `automatic`: terminals, unless NO_COLOR is set or TERM says that they know none.
enum class Color { automatic, always, never };

/// What `--color` says, for the whole process: errors are told where nothing else is known. Until it is
/// called it is `automatic`.
void use_color(Color when) noexcept;

/// Whether what is written to `fd` gets colors.
[[nodiscard]] bool is_colored(int fd) noexcept;

enum class Paint { none, heading, good, careful, bad };

/// `text` between the codes of `paint`. It must have been escaped.
[[nodiscard]] std::string painted(Paint paint, std::string_view text);

/// How a word of a field `state` is painted: of a lock, or of a finding.
[[nodiscard]] Paint paint_of_state(std::string_view word) noexcept;

}  // namespace dcache::cli
