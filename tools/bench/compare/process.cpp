// SPDX-License-Identifier: Apache-2.0
#include "compare/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "support.hpp"

namespace bench::compare {

namespace {

/// To close its store, which may mean to write what it had put off.
constexpr double kPatienceSeconds = 60;

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  return ends;
}

}  // namespace

Process::Process(const std::vector<std::string>& words) {
  // The kernel kills it when this process is gone, however it went.
  std::vector<std::string> all{"setpriv", "--pdeathsig", "KILL", "--"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);

  const std::array<int, 2> to = make_pipe();
  const std::array<int, 2> from = make_pipe();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  const int code = ::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(to[0]);
  ::close(from[1]);
  in_ = to[1];
  out_ = from[0];
  if (code != 0) {
    ::close(in_);
    ::close(out_);
    throw std::runtime_error("cannot start setpriv (of util-linux)");
  }
}

Process::~Process() {
  if (in_ >= 0) ::close(in_);
  ::close(out_);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

void Process::say(std::string_view line) {
  std::string text(line);
  text += '\n';
  for (std::string_view left = text; !left.empty();) {
    const ssize_t n = ::write(in_, left.data(), left.size());
    if (n <= 0) throw std::runtime_error("it has ended");
    left.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::optional<std::string> Process::line(double seconds) {
  const Stopwatch watch;
  for (;;) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string found = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return found;
    }
    const double left = seconds - watch.seconds();
    pollfd ready{.fd = out_, .events = POLLIN, .revents = 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left * 1000) + 1) < 0) return std::nullopt;
    if (ready.revents == 0) continue;
    std::array<char, 1 << 16> bytes{};
    const ssize_t n = ::read(out_, bytes.data(), bytes.size());
    if (n <= 0) return std::nullopt;
    buffer_.append(bytes.data(), static_cast<std::size_t>(n));
  }
}

void Process::end() noexcept {
  if (in_ >= 0) ::close(in_);
  in_ = -1;
  for (const Stopwatch watch; pid_ > 0 && watch.seconds() < kPatienceSeconds;) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

}  // namespace bench::compare
