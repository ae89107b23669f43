// SPDX-License-Identifier: Apache-2.0
//
// Values on their way from the command line or stdin to a cache, and from there to stdout.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "context.hpp"
#include "dcache/bytes.hpp"

namespace dcache::cli {

/// What is held in memory of a value on stdin that is stored as it comes.
inline constexpr std::size_t kHeadBytes = std::size_t{1} << 20;

/// Reads into all of `room` if there is that much; fewer bytes mean the end.
[[nodiscard]] std::size_t read_stdin(std::span<char> room);

/// The value that an argument gives, or of one on stdin ("-" or none) the first kHeadBytes: if there are as
/// many, it may go on. An argument is never so long (MAX_ARG_STRLEN).
[[nodiscard]] std::string head_of(const std::optional<std::string>& argument);

/// All of it; endless input does not fill the memory.
[[nodiscard]] std::string whole_of(const std::optional<std::string>& argument);

/// Under the format that it has.
[[nodiscard]] ByteView as_value(const std::string& bytes);

/// A value that does not end its line ends it where somebody looks at it.
void end_line(Context& context, char last);

/// The exact bytes of a value, and `end_line`.
void write_value(Context& context, const std::string& value);

}  // namespace dcache::cli
