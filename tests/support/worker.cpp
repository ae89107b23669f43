// SPDX-License-Identifier: Apache-2.0
#include "support/worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace dcache::test {

namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read = -1;
  int write = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe for a worker");
  return {ends[0], ends[1]};
}

}  // namespace

std::string worker_path() {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path beside = here / "test_worker";
  return std::filesystem::exists(beside) ? beside : here.parent_path() / "test_worker";
}

Worker::Worker(const std::vector<std::string>& arguments) {
  // A worker that has gone must not take the test along.
  static const auto ignored = std::signal(SIGPIPE, SIG_IGN);
  static_cast<void>(ignored);
  const std::string program = worker_path();
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  const Pipe input = make_pipe();
  const Pipe output = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.write, STDOUT_FILENO);
  const int failed = posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(input.read);
  ::close(output.write);
  in_ = input.write;
  out_ = output.read;
  if (failed != 0) throw std::runtime_error("cannot start " + program);
}

Worker::Worker(Worker&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      in_(std::exchange(other.in_, -1)),
      out_(std::exchange(other.out_, -1)),
      ended_(other.ended_),
      buffer_(std::move(other.buffer_)) {}

Worker::~Worker() {
  if (pid_ > 0) kill();
  close_input();
  if (out_ >= 0) ::close(out_);
}

void Worker::close_input() noexcept {
  if (in_ >= 0) ::close(std::exchange(in_, -1));
}

void Worker::say(std::string_view line) {
  const std::string text = std::string(line) + '\n';
  if (::write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error("the worker takes no more lines");
  }
}

bool Worker::fill(Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd ready{.fd = out_, .events = POLLIN, .revents = 0};
    const int found = ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) return false;
    std::array<char, 65536> bytes{};
    const ssize_t size = ::read(out_, bytes.data(), bytes.size());
    if (size <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(bytes.data(), static_cast<std::size_t>(size));
    return true;
  }
}

std::optional<std::string> Worker::try_line(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  std::size_t end = 0;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    if (ended_ || !fill(deadline)) return std::nullopt;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

std::string Worker::line(std::chrono::milliseconds limit) {
  if (auto line = try_line(limit)) return *std::move(line);
  throw std::runtime_error(ended_ ? "the worker ended instead of answering"
                                  : "the worker did not answer in time");
}

std::string Worker::ask(std::string_view question) {
  say(question);
  return line();
}

std::vector<std::string> Worker::rest() {
  std::vector<std::string> lines;
  while (!ended_) {
    if (auto line = try_line(std::chrono::minutes(10))) {
      lines.push_back(*std::move(line));
    } else if (!ended_) {
      throw std::runtime_error("the worker does not end");
    }
  }
  return lines;
}

void Worker::signal(int number) const { ::kill(pid_, number); }

void Worker::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

int Worker::wait() {
  close_input();
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Worker shell(const std::string& path) {
  Worker worker({"shell", path});
  if (worker.line() != "ready") throw std::runtime_error("the shell of " + path + " is not ready");
  return worker;
}

std::vector<std::string> run_worker(const std::vector<std::string>& arguments) {
  Worker worker(arguments);
  std::vector<std::string> lines = worker.rest();
  if (const int status = worker.wait(); status != 0) {
    throw std::runtime_error("the worker ended with status " + std::to_string(status));
  }
  return lines;
}

}  // namespace dcache::test
