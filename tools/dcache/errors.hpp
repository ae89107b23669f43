// SPDX-License-Identifier: Apache-2.0
//
// How the command ends: its exit codes, and which failure has which.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

namespace dcache::cli {

/// Documented in `dcache --help`; scripts rely on them.
enum Exit : int {
  kDone = 0,
  kNo = 1,            ///< the negative answer: absent, present already, busy
  kUsage = 64,        ///< EX_USAGE
  kBadData = 65,      ///< EX_DATAERR: damaged, not ours, or of another type
  kNoCache = 66,      ///< EX_NOINPUT
  kInternal = 70,     ///< EX_SOFTWARE
  kCannotMake = 73,   ///< EX_CANTCREAT
  kIo = 74,           ///< EX_IOERR
  kTimeout = 75,      ///< EX_TEMPFAIL
  kRefused = 77,      ///< EX_NOPERM
  kCannotRun = 126,   ///< as a shell says it of a command
  kNotFound = 127,    ///< likewise
  kSignalBase = 128,  ///< plus the number of the signal
};

/// A failure whose exit code is known where it is found.
class Failure : public std::runtime_error {
 public:
  Failure(Exit code, const std::string& text) : std::runtime_error(text), code_(code) {}
  [[nodiscard]] Exit code() const noexcept { return code_; }

 private:
  Exit code_;
};

/// The command line makes no sense.
class UsageError : public Failure {
 public:
  explicit UsageError(const std::string& text) : Failure(kUsage, text) {}
};

/// Prints `dcache: <text>` on stderr. What comes from outside must have been escaped.
void complain(const std::string& text) noexcept;

/// Tells the error on stderr and returns its exit code.
[[nodiscard]] Exit report(const std::exception& error) noexcept;

}  // namespace dcache::cli
