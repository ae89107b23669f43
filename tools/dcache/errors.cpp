// SPDX-License-Identifier: Apache-2.0
#include "errors.hpp"

#include <unistd.h>

#include <array>
#include <new>
#include <string_view>
#include <system_error>

#include "color.hpp"
#include "dcache/error.hpp"

namespace dcache::cli {

namespace {

template <class... Errors>
bool is_any(const std::exception& error) noexcept {
  return (... || (dynamic_cast<const Errors*>(&error) != nullptr));
}

int exit_code(const std::exception& error) noexcept {
  if (const auto* failure = dynamic_cast<const Failure*>(&error)) return failure->code();
  if (is_any<InvalidArgument>(error)) return kUsage;
  // Whether a foreign database or none at all is only known where the cache was opened.
  if (is_any<Corrupt, WrongType, NotACache>(error)) return kBadData;
  if (is_any<Timeout, Busy, Cancelled, LockLost>(error)) return kTimeout;
  if (is_any<Unsupported, Misuse, NotOwner, Deadlock, AlreadyExists>(error)) return kRefused;
  if (is_any<IoError, Full, ReadOnly>(error)) return kIo;
  return kInternal;
}

/// The library's advice speaks of its own options; here they have other names.
std::string as_options(std::string text) {
  struct Advice {
    std::string_view library;
    std::string_view command;
  };
  constexpr std::array kAdvice = {
      Advice{"set Options::allow_shared", "give --allow-shared"},
      Advice{"set Options::allow_network", "give --allow-network"},
      Advice{", or open the cache with Create::parents", ""},
      Advice{"set BackupOptions::overwrite", "give --force to replace it"},
      Advice{"clear it with force", "`dcache lock clear KEY --force`"},
  };
  for (const Advice& advice : kAdvice) {
    if (const auto at = text.find(advice.library); at != std::string::npos) {
      text.replace(at, advice.library.size(), advice.command);
    }
  }
  return text;
}

}  // namespace

std::string errno_text(int error) { return std::generic_category().message(error); }

UsageError with_verb(const std::string& verb, const UsageError& error) {
  const std::string text = error.what();
  const bool has_mend = text.find(';') != std::string::npos;
  return UsageError(verb + ": " + text + (has_mend ? "" : "; see `dcache " + verb + " --help`"));
}

Failure with_more(const std::exception& error, const std::string& more) {
  return {exit_code(error), as_options(error.what()) + more};
}

namespace {

void write_line(Paint paint, const std::string& text) noexcept {
  try {
    const std::string name = is_colored(STDERR_FILENO) ? painted(paint, "dcache:") : "dcache:";
    const std::string line = name + " " + text + "\n";
    // Nobody is left to tell if stderr fails.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (const std::bad_alloc&) {
    return;
  }
}

}  // namespace

void complain(const std::string& text) noexcept { write_line(Paint::bad, text); }

void remark(const std::string& text) noexcept { write_line(Paint::none, text); }

std::string message_of(const std::exception& error) { return as_options(error.what()); }

int report(const std::exception& error) noexcept {
  try {
    if (is_any<std::bad_alloc>(error)) {
      complain("out of memory");
    } else if (is_any<Failure, Error>(error)) {
      complain(message_of(error));
    } else {
      complain(std::string("this should not happen: ") + error.what());
    }
  } catch (const std::bad_alloc&) {
    complain("out of memory");
  }
  return exit_code(error);
}

}  // namespace dcache::cli
