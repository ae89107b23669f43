// SPDX-License-Identifier: Apache-2.0
//
// How the command ends: its exit codes, and which failure has which.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

namespace dcache::cli {

// Exit codes: documented in `dcache --help`, and scripts rely on them.
inline constexpr int kDone = 0;
inline constexpr int kNo = 1;            ///< the negative answer: absent, present already, busy
inline constexpr int kUsage = 64;        ///< EX_USAGE
inline constexpr int kBadData = 65;      ///< EX_DATAERR: damaged, not ours, or of another type
inline constexpr int kNoCache = 66;      ///< EX_NOINPUT
inline constexpr int kInternal = 70;     ///< EX_SOFTWARE
inline constexpr int kCannotMake = 73;   ///< EX_CANTCREAT
inline constexpr int kIo = 74;           ///< EX_IOERR
inline constexpr int kTimeout = 75;      ///< EX_TEMPFAIL
inline constexpr int kRefused = 77;      ///< EX_NOPERM
inline constexpr int kCannotRun = 126;   ///< as a shell says it of a command
inline constexpr int kNotFound = 127;    ///< likewise
inline constexpr int kSignalBase = 128;  ///< plus the number of the signal

/// A failure whose exit code is known where it is found.
class Failure : public std::runtime_error {
 public:
  Failure(int code, const std::string& text) : std::runtime_error(text), code_(code) {}
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

/// The command line makes no sense.
class UsageError : public Failure {
 public:
  explicit UsageError(const std::string& text) : Failure(kUsage, text) {}
};

/// The same error with `more` behind its text, and its exit code.
[[nodiscard]] Failure with_more(const std::exception& error, const std::string& more);

/// The same error with the verb before its text, and where to read on unless the text says what to do.
[[nodiscard]] UsageError with_verb(const std::string& verb, const UsageError& error);

/// What the operating system says of an error number.
[[nodiscard]] std::string errno_text(int error);

/// Prints `dcache: <text>` on stderr. What comes from outside must have been escaped.
void complain(const std::string& text) noexcept;

/// As `complain`, what is no error.
void remark(const std::string& text) noexcept;

/// What an error says, in the words of the command.
[[nodiscard]] std::string message_of(const std::exception& error);

/// Tells the error on stderr and returns its exit code.
[[nodiscard]] int report(const std::exception& error) noexcept;

}  // namespace dcache::cli
