// SPDX-License-Identifier: Apache-2.0
//
// What all benchmarks share: a stopwatch, medians, arguments, a scratch directory.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

class Stopwatch {
 public:
  [[nodiscard]] double microseconds() const {
    return std::chrono::duration<double, std::micro>(Clock::now() - start_).count();
  }
  [[nodiscard]] double seconds() const { return microseconds() / 1e6; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// The monotonic clock in nanoseconds, which is one and the same for all processes.
[[nodiscard]] std::uint64_t now_ns() noexcept;

/// The middle one, or the mean of the middle two; 0 of none.
[[nodiscard]] double median(std::vector<double> numbers);

/// `--name VALUE`, `--name=VALUE` and `--flag`. Whatever nobody asked for is an error: see `finish`.
class Arguments {
 public:
  Arguments(int argc, char** argv);

  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] bool flag(std::string_view name);
  [[nodiscard]] std::optional<std::string> text(std::string_view name);
  [[nodiscard]] double number(std::string_view name, double otherwise);
  /// Numbers separated by commas.
  [[nodiscard]] std::vector<std::size_t> numbers(std::string_view name, std::vector<std::size_t> otherwise);

  /// Throws std::invalid_argument with `usage` if `--help` was asked for or something is left over.
  void finish(std::string_view usage) const;

 private:
  std::vector<std::string> left_;
};

/// A new directory, removed with all that is in it at the end.
class Scratch {
 public:
  /// Below `parent`, or where the system keeps temporary files.
  explicit Scratch(const std::optional<std::string>& parent);
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// Runs a program's body; an exception becomes a line on stderr and exit code 1.
int guarded_main(int argc, char** argv, int (*body)(Arguments&));

}  // namespace bench
