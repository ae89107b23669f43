// SPDX-License-Identifier: Apache-2.0
//
// How far long work is: a line on stderr that goes again, for people only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "dcache/upkeep.hpp"
#include "interrupt.hpp"

namespace dcache::cli {

class Context;

/// Shows itself after half a second, if stderr is a terminal and nobody asked for quiet, at most ten times a
/// second; its end removes what it has shown. While it lives a signal ends the work at its next `update`.
class Progress {
 public:
  /// `what` is being done: "importing".
  Progress(const Context& context, std::string what);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { hide(); }

  /// So much of `total` is done; of an unknown total (0) the number, or the time, is shown. Throws
  /// Interrupted.
  void update(std::uint64_t done, std::uint64_t total);

  /// `update` as the library calls it. It must not outlive this.
  [[nodiscard]] OnProgress callback() {
    return [this](std::uint64_t done, std::uint64_t total) { update(done, total); };
  }

 private:
  using Clock = std::chrono::steady_clock;

  void draw(std::uint64_t done, std::uint64_t total);
  void hide() noexcept;

  Interruptible interruptible_;
  const std::string what_;
  const bool shown_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_;
  std::size_t drawn_ = 0;  ///< columns that the line takes
};

}  // namespace dcache::cli
