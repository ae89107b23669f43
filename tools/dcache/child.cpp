// SPDX-License-Identifier: Apache-2.0
#include "child.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>

#include "errors.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

using std::chrono::steady_clock;

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

std::vector<char*> words_of(const std::vector<std::string>& command) {
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  return words;
}

/// An error number, or 0 and `pid`.
int spawn(const Child& child, const Signals& signals, pid_t& pid) {
  const std::vector<char*> words = words_of(child.command);
  posix_spawnattr_t attributes;
  if (const int error = ::posix_spawnattr_init(&attributes); error != 0) return error;
  ::posix_spawnattr_setsigmask(&attributes, &signals.before);
  ::posix_spawnattr_setsigdefault(&attributes, &signals.defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_t files;
  int error = ::posix_spawn_file_actions_init(&files);
  if (error == 0) {
    const std::array streams = {child.input, child.output, child.error};
    for (int number = 0; number < 3 && error == 0; ++number) {
      const int file = streams[static_cast<std::size_t>(number)];
      if (file >= 0) error = ::posix_spawn_file_actions_adddup2(&files, file, number);
    }
    // Onto itself: it is not closed at exec any more.
    if (error == 0 && child.inherited >= 0) {
      error = ::posix_spawn_file_actions_adddup2(&files, child.inherited, child.inherited);
    }
    if (error == 0) error = ::posix_spawnp(&pid, words[0], &files, &attributes, words.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
  }
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

int tell_that_it_cannot_run(const Child& child, int error) {
  complain("cannot run " + in_quotes(child.command[0]) + ": " + errno_text(error));
  return error == ENOENT ? kNotFound : kCannotRun;
}

/// Watches over a running child.
class Keeper {
 public:
  Keeper(const Child& child, pid_t pid) : child_(child), pid_(pid) {}

  /// How long to sleep until the next `look`; none = until a signal comes.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> next() const {
    if (killed_ || (!child_.may_run && !broken_off_)) return std::nullopt;
    if (!broken_off_) return kPeriod;
    if (child_.grace.is_forever()) return std::nullopt;
    return std::max<std::chrono::nanoseconds>(told_ + child_.grace.nanoseconds() - steady_clock::now(),
                                              std::chrono::nanoseconds(1));
  }

  void look() {
    if (!broken_off_) {
      if (!child_.may_run || child_.may_run()) return;
      broken_off_ = true;
      told_ = steady_clock::now();
      ::kill(pid_, SIGTERM);
      ::kill(pid_, SIGCONT);  // one that is stopped would not hear of it
    } else if (!killed_ && !child_.grace.is_forever() &&
               steady_clock::now() - told_ >= child_.grace.nanoseconds()) {
      killed_ = true;
      ::kill(pid_, SIGKILL);
    }
  }

  [[nodiscard]] bool broken_off() const noexcept { return broken_off_; }

 private:
  static constexpr std::chrono::nanoseconds kPeriod = std::chrono::milliseconds(250);

  const Child& child_;
  const pid_t pid_;
  bool broken_off_ = false;
  bool killed_ = false;
  steady_clock::time_point told_{};
};

/// The next of the signals, or none when the time is over.
std::optional<int> await(const sigset_t& signals, std::optional<std::chrono::nanoseconds> limit) {
  int signal = 0;
  if (limit) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*limit);
    const timespec time{.tv_sec = seconds.count(), .tv_nsec = (*limit - seconds).count()};
    signal = ::sigtimedwait(&signals, nullptr, &time);
  } else {
    signal = ::sigwaitinfo(&signals, nullptr);
  }
  if (signal <= 0) return std::nullopt;
  return signal;
}

}  // namespace

Ended run_child(const Child& child) {
  const Signals signals;
  pid_t pid = 0;
  if (const int error = spawn(child, signals, pid); error != 0) {
    return {.status = tell_that_it_cannot_run(child, error)};
  }
  Keeper keeper(child, pid);
  for (;;) {
    const std::optional<int> signal = await(signals.awaited, keeper.next());
    if (signal && *signal != SIGCHLD) {
      // The child has not been waited for yet, so its number is still its own.
      ::kill(pid, *signal);
      continue;
    }
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) {
      return {.status = WIFSIGNALED(status) ? kSignalBase + WTERMSIG(status) : WEXITSTATUS(status),
              .broken_off = keeper.broken_off(),
              .complete = WIFEXITED(status)};
    }
    if (ended < 0 && errno != EINTR) {
      throw Failure(kInternal, "cannot wait for the command: " + errno_text(errno));
    }
    keeper.look();
  }
}

int become(const Child& child) {
  const int flags = child.inherited < 0 ? -1 : ::fcntl(child.inherited, F_GETFD);
  if (flags >= 0) ::fcntl(child.inherited, F_SETFD, flags & ~FD_CLOEXEC);
  ::execvp(child.command[0].c_str(), words_of(child.command).data());
  const int error = errno;
  if (flags >= 0) ::fcntl(child.inherited, F_SETFD, flags);
  return tell_that_it_cannot_run(child, error);
}

}  // namespace dcache::cli
