// SPDX-License-Identifier: Apache-2.0
//
// stdout, checked: what cannot be written is a failure, except to a reader that has gone.
#pragma once

#include <string>
#include <string_view>

namespace dcache::cli {

class Output {
 public:
  /// Throws Failure when stdout does not take it. If its reader has gone the process dies of SIGPIPE.
  void write(std::string_view text);

  /// Writes out what is still kept. Call it before the end: nothing else does.
  void flush();

  /// Whether stdout is a terminal.
  [[nodiscard]] static bool is_terminal() noexcept;

 private:
  std::string kept_;
};

/// Opens the standard descriptors that are closed, so that no file of the cache gets their number. Reading
/// and writing them still fails, as it should.
void occupy_standard_descriptors() noexcept;

/// Whether stderr is a terminal, so that somebody reads along.
[[nodiscard]] bool is_watched() noexcept;

}  // namespace dcache::cli
