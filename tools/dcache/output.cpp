// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "errors.hpp"
#include "interrupt.hpp"

namespace dcache::cli {

namespace {

constexpr std::size_t kKeepBytes = 1U << 16;

/// As any command that writes into a closed pipe, even where SIGPIPE was ignored when we were started.
[[noreturn]] void die_of_sigpipe() {
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  std::raise(SIGPIPE);
  ::_exit(kSignalBase + SIGPIPE);
}

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      // A signal ends a write that waits for its reader in the middle.
      if (!text.empty()) Interruptible::check();
    } else if (errno == EPIPE) {
      die_of_sigpipe();
    } else if (errno == EAGAIN) {
      pollfd ready{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (errno == EINTR) {
      Interruptible::check();
    } else {
      const int error = errno;
      throw Failure(kIo, "cannot write to stdout: " + errno_text(error));
    }
  }
}

}  // namespace

void Output::write(std::string_view text) {
  kept_.append(text);
  if (kept_.size() >= kKeepBytes) flush();
}

void Output::flush() {
  // Emptied first: what failed once is not tried again on the way out.
  const std::string text = std::move(kept_);
  kept_.clear();
  write_all(text);
}

bool Output::is_terminal() noexcept { return ::isatty(STDOUT_FILENO) == 1; }

void occupy_standard_descriptors() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    // open() takes the lowest free number, which is this one; opened the wrong way round it fails when used.
    ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

bool is_watched() noexcept { return ::isatty(STDERR_FILENO) == 1; }

}  // namespace dcache::cli
