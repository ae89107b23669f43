// SPDX-License-Identifier: Apache-2.0
#include "color.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>

namespace dcache::cli {

namespace {

std::atomic<Color> chosen{Color::automatic};

std::string_view variable(const char* name) noexcept {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return value == nullptr ? std::string_view() : value;
}

struct ColoredState {
  std::string_view word;
  Paint paint;
};
constexpr std::array kStates = {
    ColoredState{"live", Paint::good},    ColoredState{"leased", Paint::careful},
    ColoredState{"kept", Paint::careful}, ColoredState{"expired", Paint::bad},
    ColoredState{"dead", Paint::bad},     ColoredState{"ok", Paint::good},
    ColoredState{"problem", Paint::bad},  ColoredState{"warning", Paint::careful}};

std::string_view code(Paint paint) noexcept {
  switch (paint) {
    case Paint::none:
      return "";
    case Paint::heading:
      return "\x1b[1m";
    case Paint::good:
      return "\x1b[32m";
    case Paint::careful:
      return "\x1b[33m";
    case Paint::bad:
      return "\x1b[31m";
  }
  return "";
}

}  // namespace

void use_color(Color when) noexcept { chosen = when; }

bool is_colored(int fd) noexcept {
  if (chosen != Color::automatic) return chosen == Color::always;
  const std::string_view terminal = variable("TERM");
  return variable("NO_COLOR").empty() && !terminal.empty() && terminal != "dumb" && ::isatty(fd) == 1;
}

std::string painted(Paint paint, std::string_view text) {
  const std::string_view begin = code(paint);
  std::string all(begin);
  all.append(text);
  if (!begin.empty()) all.append("\x1b[0m");
  return all;
}

Paint paint_of_state(std::string_view word) noexcept {
  for (const ColoredState& state : kStates) {
    if (state.word == word) return state.paint;
  }
  return Paint::none;
}

}  // namespace dcache::cli
