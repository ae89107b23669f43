// SPDX-License-Identifier: Apache-2.0
#include "child.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "errors.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

constexpr std::array kPassedOn = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
constexpr std::array kLeftToChild = {SIGINT, SIGQUIT};

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// What the signals were before, for the child, and which of them we wait for.
struct Signals {
  sigset_t before{};    ///< the mask
  sigset_t awaited{};   ///< SIGCHLD and those to pass on; blocked, so that none is missed
  sigset_t defaults{};  ///< those that we ignore and the child must not

  Signals() {
    sigemptyset(&awaited);
    sigemptyset(&defaults);
    // Somebody who ignores it would have the kernel throw away the child's status.
    std::signal(SIGCHLD, SIG_DFL);
    sigaddset(&awaited, SIGCHLD);
    for (const int signal : kPassedOn) {
      // Under nohup and the like a signal is ignored by all, child included.
      if (!is_ignored(signal)) sigaddset(&awaited, signal);
    }
    ::pthread_sigmask(SIG_BLOCK, &awaited, &before);
    for (const int signal : kLeftToChild) {
      if (is_ignored(signal)) continue;
      sigaddset(&defaults, signal);
      std::signal(signal, SIG_IGN);
    }
  }
};

/// An error number, or 0 and `child`.
int spawn(const std::vector<std::string>& command, const Signals& signals, pid_t& child) {
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawnattr_t attributes;
  if (const int error = ::posix_spawnattr_init(&attributes); error != 0) return error;
  ::posix_spawnattr_setsigmask(&attributes, &signals.before);
  ::posix_spawnattr_setsigdefault(&attributes, &signals.defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error = ::posix_spawnp(&child, words[0], nullptr, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

}  // namespace

int run_child(const std::vector<std::string>& command) {
  const Signals signals;
  pid_t child = 0;
  if (const int error = spawn(command, signals, child); error != 0) {
    complain("cannot run " + in_quotes(command[0]) + ": " + errno_text(error));
    return error == ENOENT ? kNotFound : kCannotRun;
  }
  for (;;) {
    const int signal = ::sigwaitinfo(&signals.awaited, nullptr);
    if (signal != SIGCHLD) {
      // The child has not been waited for yet, so its number is still its own.
      if (signal > 0) ::kill(child, signal);
      continue;
    }
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return WIFSIGNALED(status) ? kSignalBase + WTERMSIG(status) : WEXITSTATUS(status);
    if (ended < 0 && errno != EINTR) {
      throw Failure(kInternal, "cannot wait for the command: " + errno_text(errno));
    }
  }
}

}  // namespace dcache::cli
