// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <charconv>

#include "errors.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

template <class Number>
Number to_number(std::string_view text, const char* what) {
  Number number{};
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [stop, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || stop != text.data() + text.size()) throw UsageError(what);
  return number;
}

}  // namespace

void read_text(const std::string& text, std::string& target) { target = text; }
void read_text(const std::string& text, std::optional<std::string>& target) { target = text; }
void read_text(const std::string& text, std::vector<std::string>& target) { target.push_back(text); }

void read_text(const std::string& text, std::int64_t& target) {
  target = to_number<std::int64_t>(text, "is not an integer of 64 bits");
}

void read_text(const std::string& text, std::optional<std::uint64_t>& target) {
  target = to_number<std::uint64_t>(text, "is not a number of 0 or more");
}

void read_text(const std::string& text, std::optional<Duration>& target) {
  target = parse_duration(text);
  if (!target) throw UsageError("is not a time: write 90s, 10m, 2h, 7d, 500ms, 1h30m, or never");
}

void read_text(const std::string& text, Lifetime& target) {
  read_text(text, target.time);
  if (*target.time <= Duration()) throw UsageError("is too short: it must be more than 0, or never");
}

void read_text(const std::string& text, Color& target) {
  if (text != "auto" && text != "always" && text != "never") throw UsageError("is not auto, always or never");
  target = text == "auto" ? Color::automatic : text == "always" ? Color::always : Color::never;
}

Argument flag(std::string_view names, bool& target, std::string_view help) {
  return {.kind = Argument::Kind::flag,
          .names = names,
          .value = {},
          .help = help,
          .take = [&target](const std::string&) { target = true; }};
}

std::string_view shown_name(const Argument& argument) noexcept {
  const std::size_t comma = argument.names.rfind(',');
  return comma == std::string_view::npos ? argument.names : argument.names.substr(comma + 1);
}

}  // namespace dcache::cli
