// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "context.hpp"
#include "output.hpp"

namespace dcache::cli {

namespace {

constexpr auto kFirst = std::chrono::milliseconds(500);
constexpr auto kBetween = std::chrono::milliseconds(100);
constexpr std::size_t kBar = 30;

std::size_t terminal_columns() noexcept {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void show(const std::string& text) noexcept {
  // Of a terminal that is gone nobody needs to know here.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

Progress::Progress(const Context& context, std::string what)
    : what_(std::move(what)), shown_(!context.globals().quiet && is_watched()), next_(start_ + kFirst) {}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  Interruptible::check();
  if (!shown_) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + kBetween;
  draw(done, total);
}

void Progress::draw(std::uint64_t done, std::uint64_t total) {
  std::string line = what_;
  if (total > 0) {
    const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const auto full = static_cast<std::size_t>(part * static_cast<double>(kBar));
    line += " [" + std::string(full, '#') + std::string(kBar - full, '.') + "] " +
            std::to_string(static_cast<int>(part * 100)) + " %";
  } else if (done > 0) {
    line += " " + std::to_string(done);
  } else {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start_);
    line += ", " + std::to_string(seconds.count()) + " s";
  }
  // One column less: a line that fills the last one may begin the next.
  line.resize(std::min(line.size(), terminal_columns() - 1));
  const std::size_t before = std::exchange(drawn_, line.size());
  if (before > line.size()) line.append(before - line.size(), ' ');
  show("\r" + line);
}

void Progress::hide() noexcept {
  if (drawn_ > 0) show("\r" + std::string(drawn_, ' ') + "\r");
}

}  // namespace dcache::cli
