// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "dcache/bytes.hpp"

namespace dcache::cli {

namespace {

struct Unit {
  std::string_view name;
  double seconds;
};

constexpr std::array kUnits = {Unit{"ns", 1e-9}, Unit{"us", 1e-6}, Unit{"ms", 1e-3},  Unit{"s", 1},
                               Unit{"m", 60},    Unit{"h", 3600},  Unit{"d", 86'400}, Unit{"w", 604'800}};

/// A number of digits and at most one point; neither sign nor exponent.
std::optional<double> take_number(std::string_view& text) {
  const std::size_t length = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  const auto [stop, failed] =
      std::from_chars(text.data(), text.data() + length, number, std::chars_format::fixed);
  if (length == 0 || failed != std::errc{} || stop != text.data() + length) return std::nullopt;
  text.remove_prefix(length);
  return number;
}

std::optional<double> take_unit(std::string_view& text) {
  const std::size_t length = std::min(text.find_first_of("0123456789."), text.size());
  const auto* const unit = std::find_if(kUnits.begin(), kUnits.end(),
                                        [&](const Unit& one) { return one.name == text.substr(0, length); });
  if (unit == kUnits.end()) return std::nullopt;
  text.remove_prefix(length);
  return unit->seconds;
}

Timestamp now() { return std::chrono::system_clock::now(); }

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  if (text == "never" || text == "forever") return forever;
  double seconds = 0;
  for (bool first = true; first || !text.empty(); first = false) {
    const std::optional<double> number = take_number(text);
    if (!number) return std::nullopt;
    if (first && text.empty()) return std::chrono::duration<double>(*number);
    const std::optional<double> unit = take_unit(text);
    if (!unit) return std::nullopt;
    seconds += *number * *unit;
  }
  return std::chrono::duration<double>(seconds);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const std::optional<double> number = take_number(text);
  if (!number) return std::nullopt;
  if (text.starts_with(' ')) text.remove_prefix(1);
  std::string unit(text);
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  double factor = 1;
  if (!unit.empty() && unit != "b") {
    constexpr std::string_view kPrefixes = "kmgtp";
    const std::size_t power = kPrefixes.find(unit.front());
    const std::string_view rest = std::string_view(unit).substr(1);
    const bool binary = rest.empty() || rest == "i" || rest == "ib";
    if (power == std::string_view::npos || (!binary && rest != "b")) return std::nullopt;
    factor = std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  }
  constexpr double kEnd = 18'446'744'073'709'551'616.0;
  const double bytes = std::round(*number * factor);
  if (bytes >= kEnd) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

std::string short_duration(Duration duration) {
  using namespace std::chrono;
  if (duration.is_forever()) return "never";
  const nanoseconds time = duration.nanoseconds();
  if (time < 0ns) return "over";
  if (time < 1s) return std::to_string(duration_cast<milliseconds>(time).count()) + "ms";
  if (time < 120s) return std::to_string(round<seconds>(time).count()) + "s";
  if (time < 120min) return std::to_string(round<minutes>(time).count()) + "m";
  if (time < 48h) return std::to_string(round<hours>(time).count()) + "h";
  return std::to_string(round<days>(time).count()) + "d";
}

std::string_view format_name(Format format) noexcept {
  switch (format) {
    case Format::bytes:
      return "bytes";
    case Format::text:
      return "text";
    case Format::integer:
      return "integer";
    case Format::json:
      return "json";
  }
  return "unknown";
}

std::optional<Format> format_named(std::string_view name) noexcept {
  for (const Format format : {Format::bytes, Format::text, Format::integer, Format::json}) {
    if (name == format_name(format)) return format;
  }
  return std::nullopt;
}

std::string short_size(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr std::array<const char*, 6> kNames = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t name = 0;
  double number = static_cast<double>(bytes) / 1024;
  for (; number >= 1024 && name + 1 < kNames.size(); ++name) number /= 1024;
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), number < 10 ? "%.1f %s" : "%.0f %s", number, kNames[name]);
  return text.data();
}

std::string local_time(Timestamp time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = time.unix_nanoseconds() / kSecond;
  if (time.unix_nanoseconds() % kSecond < 0) --seconds;
  const auto clock = static_cast<std::time_t>(seconds);
  std::tm fields{};
  std::array<char, 40> text{};
  if (::localtime_r(&clock, &fields) == nullptr) return "?";
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &fields)};
}

Duration age_of(Timestamp then) {
  return std::chrono::nanoseconds(std::max<std::int64_t>(0, -left_until(then).nanoseconds().count()));
}

Duration left_until(Timestamp then) {
  // In doubles, since the difference of two far ends does not fit 64 bits.
  const double left =
      static_cast<double>(then.unix_nanoseconds()) - static_cast<double>(now().unix_nanoseconds());
  if (left > -1e18 && left < 1e18) {
    return std::chrono::nanoseconds(then.unix_nanoseconds() - now().unix_nanoseconds());
  }
  return std::chrono::duration<double, std::nano>(left);
}

std::string in_quotes(std::string_view bytes, std::size_t limit) {
  std::string text = "'";
  return text.append(escape(bytes, limit)).append("'");
}

std::string shell_word(std::string_view bytes) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,";
  if (!bytes.empty() && bytes.find_first_not_of(kPlain) == std::string_view::npos) return std::string(bytes);
  const std::string safe = escape(bytes);
  // Without a backslash nothing was escaped, and single quotes keep all but themselves.
  if (safe.find_first_of("\\'") == std::string::npos) return "'" + safe + "'";
  std::string word = "$'";
  for (const char c : safe) {
    if (c == '\'') word += '\\';
    word += c;
  }
  return word + "'";
}

std::size_t columns_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

}  // namespace dcache::cli
