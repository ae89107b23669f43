// SPDX-License-Identifier: Apache-2.0
//
// Long work that ends in good order when somebody presses Ctrl-C: nothing half done, no temporary files.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

namespace dcache::cli {

/// A signal came; what it unwinds is undone. main ends the process by that very signal.
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(int signal, const std::string& text = {})
      : std::runtime_error(text), signal_(signal) {}
  [[nodiscard]] int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

/// While it lives, SIGINT, SIGTERM and SIGHUP are noted instead of killing, unless they were ignored before.
/// A second one kills at once, as the work may be stuck.
class Interruptible {
 public:
  Interruptible() noexcept;
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  ~Interruptible();

  /// Throws Interrupted if a signal has come.
  static void check();
  /// Reads what is there, at least one byte; 0 at the end. A signal ends the waiting: Interrupted. Throws
  /// Failure, naming `what`.
  static std::size_t read(int fd, std::span<char> room, const std::string& what);
};

/// Ends the process as the signal would have.
[[noreturn]] void die_of(int signal) noexcept;

}  // namespace dcache::cli
