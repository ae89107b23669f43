// SPDX-License-Identifier: Apache-2.0
//
// A verb as the parser and the help see it. A verb's file fills a Command: what it takes, where each text
// goes, and what runs then; only parse.cpp knows the library that splits the command line.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "color.hpp"
#include "dcache/duration.hpp"

namespace dcache::cli {

class Context;

/// An option ("-w,--wait"), a flag, or an argument that is known by its place ("KEY").
struct Argument {
  enum class Kind { flag, option, positional };
  enum class Times { optional, required, any, some };  ///< 0..1, 1, 0.., 1..

  Kind kind = Kind::flag;
  std::string_view names;  ///< as above, the short name first
  std::string_view value;  ///< what stands for an option's value in the help
  std::string_view help;
  Times times = Times::optional;
  /// Gets each text in its turn (none for a flag). Throws UsageError that says what is wrong with it, in
  /// words that follow its name.
  std::function<void(std::string text)> take;
};

struct Command {
  std::string_view about;     ///< what it does, in sentences
  std::string_view examples;  ///< lines to type
  std::vector<Argument> arguments = {};
  std::string_view rest_name = {};  ///< what follows "--"; none = "--" only ends the options
  std::vector<std::string>* rest = nullptr;
  Argument::Times rest_times = Argument::Times::required;
  std::function<int(Context&)> run = {};  ///< returns the exit code
  /// Of a verb that lists: the columns of `--plain`, which are the fields of `--json`, with spaces between.
  std::string_view fields = {};
};

/// How long something lives or is held: more than 0, or `never`.
struct Lifetime {
  std::optional<Duration> time = {};
};

// What a text turns into. Each throws UsageError for a text that it cannot be.
void read_text(const std::string& text, std::string& target);
void read_text(const std::string& text, std::optional<std::string>& target);
void read_text(const std::string& text, std::vector<std::string>& target);  ///< adds to it
void read_text(const std::string& text, std::int64_t& target);
void read_text(const std::string& text, std::optional<std::uint64_t>& target);
void read_text(const std::string& text, std::optional<Duration>& target);
void read_text(const std::string& text, Lifetime& target);
void read_text(const std::string& text, Color& target);

[[nodiscard]] Argument flag(std::string_view names, bool& target, std::string_view help);

template <class T>
[[nodiscard]] Argument option(std::string_view names, std::string_view value, T& target,
                              std::string_view help) {
  constexpr bool kMany = std::is_same_v<T, std::vector<std::string>>;
  return {.kind = Argument::Kind::option,
          .names = names,
          .value = value,
          .help = help,
          .times = kMany ? Argument::Times::any : Argument::Times::optional,
          .take = [&target](const std::string& text) { read_text(text, target); }};
}

template <class T>
[[nodiscard]] Argument positional(std::string_view name, T& target, Argument::Times times,
                                  std::string_view help) {
  return {.kind = Argument::Kind::positional,
          .names = name,
          .value = {},
          .help = help,
          .times = times,
          .take = [&target](const std::string& text) { read_text(text, target); }};
}

/// The last of an argument's names, as messages call it: "--wait", "KEY".
[[nodiscard]] std::string_view shown_name(const Argument& argument) noexcept;

}  // namespace dcache::cli
