// SPDX-License-Identifier: Apache-2.0
//
// Times, sizes and keys as people write and read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dcache/bytes.hpp"
#include "dcache/duration.hpp"

namespace dcache::cli {

/// `90s`, `10m`, `2h`, `7d`, `1w`, `500ms`, `1.5h`, `1h30m`; a plain number is seconds; `never` and `forever`
/// have no end. Nothing if it is none of these; what is longer than 292 years has no end either.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);

/// `4096`, `10K`, `1.5M`, `2G`, `1T`, or with `KiB`, `MiB`, …, all of which are powers of 1024; `10KB`,
/// `1MB`, … are powers of 1000. Small letters will do, and a space before the unit. Nothing if it is none of
/// these or does not fit 64 bits.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// A length of time in whole ones of one unit: `400ms`, `12s`, `3m`, `2h`, `9d`; `never` for no
/// end, `over` below 0.
[[nodiscard]] std::string short_duration(Duration duration);

/// `bytes`, `text`, `integer`, `json`.
[[nodiscard]] std::string_view format_name(Format format) noexcept;
[[nodiscard]] std::optional<Format> format_named(std::string_view name) noexcept;

/// `512 B`, `1.5 KiB`, …
[[nodiscard]] std::string short_size(std::uint64_t bytes);

/// Local time to the second: `2025-11-21 00:48:07`.
[[nodiscard]] std::string local_time(Timestamp time);

/// Wall-clock time from then to now; never less than 0.
[[nodiscard]] Duration age_of(Timestamp then);

/// Wall-clock time from now to then; negative when it is over.
[[nodiscard]] Duration left_until(Timestamp then);

/// `bytes` between single quotes and safe on a terminal, for messages; cut after `limit` bytes.
[[nodiscard]] std::string in_quotes(std::string_view bytes, std::size_t limit = 200);

/// `bytes` as one word of bash, safe to show on a terminal and to paste back.
[[nodiscard]] std::string shell_word(std::string_view bytes);

/// Columns that UTF-8 text takes, as one a character.
[[nodiscard]] std::size_t columns_of(std::string_view text) noexcept;

}  // namespace dcache::cli
