// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <sstream>
#include <utility>

#include "support/worker/worker_program.hpp"

namespace dcache::test {

std::optional<int> g_timeout_ms;
std::uint32_t g_shards = 0;

void tell(std::string_view line) {
  const std::string text = std::string(line) + '\n';
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (n <= 0) std::_Exit(3);  // nobody listens any more
    done += static_cast<std::size_t>(n);
  }
}

std::optional<std::string> hear() {
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

Arguments words(const std::string& line) {
  std::istringstream stream(line);
  Arguments all;
  for (std::string word; stream >> word;) all.push_back(word);
  return all;
}

void answer_lines(const std::function<std::string(const Arguments&)>& run) {
  while (const auto line = hear()) {
    try {
      tell(run(words(*line)));
    } catch (const Error& error) {
      tell(describe(error));
    } catch (const std::exception& error) {
      tell(std::string("exception: ") + error.what());
    }
  }
}

std::string describe(const Error& error) {
  const char* name = "Error";
  if (dynamic_cast<const Timeout*>(&error) != nullptr) name = "Timeout";
  if (dynamic_cast<const Deadlock*>(&error) != nullptr) name = "Deadlock";
  if (dynamic_cast<const AlreadyExists*>(&error) != nullptr) name = "AlreadyExists";
  if (dynamic_cast<const NotOwner*>(&error) != nullptr) name = "NotOwner";
  if (dynamic_cast<const LockLost*>(&error) != nullptr) name = "LockLost";
  if (dynamic_cast<const Forked*>(&error) != nullptr) name = "Forked";
  if (dynamic_cast<const Full*>(&error) != nullptr) name = "Full";
  if (dynamic_cast<const ReadOnly*>(&error) != nullptr) name = "ReadOnly";
  if (dynamic_cast<const Corrupt*>(&error) != nullptr) name = "Corrupt";
  if (dynamic_cast<const NotACache*>(&error) != nullptr) name = "NotACache";
  if (dynamic_cast<const InvalidArgument*>(&error) != nullptr) name = "InvalidArgument";
  if (dynamic_cast<const Unsupported*>(&error) != nullptr) name = "Unsupported";
  if (dynamic_cast<const Misuse*>(&error) != nullptr) name = "Misuse";
  if (dynamic_cast<const IoError*>(&error) != nullptr) name = "IoError";
  std::string text = std::string(name) + ": " + error.what();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

namespace {

constexpr std::array<std::pair<std::string_view, int (*)(const Arguments&)>, 19> kModes{{
    {"open", open_mode},       {"fill", fill_mode},   {"read", read_mode},
    {"recipes", recipes_mode}, {"shell", shell_mode}, {"exclusive", exclusive_mode},
    {"exhaust", exhaust_mode}, {"blind", blind_mode}, {"count", count_mode},
    {"statics", statics_mode}, {"fork", fork_mode},   {"lease", lease_mode},
    {"load", load_mode},       {"queue", queue_mode}, {"session", session_mode},
    {"share", share_mode},     {"storm", storm_mode}, {"witnessed", witnessed_mode},
    {"writer", writer_mode},
}};

/// Goes on as the first process of a pid namespace of its own, with its own /proc. It ends with the process
/// that was started, and the other way round.
void enter_pid_namespace() {
  if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) {
    tell("not permitted");
    std::_Exit(0);
  }
  const pid_t child = ::fork();
  if (child != 0) {
    int status = 0;
    ::waitpid(child, &status, 0);
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Without its own /proc it would read the start times of others. Mounts stay in this namespace.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("proc", "/proc", "proc", 0, nullptr) != 0) {
    tell("not permitted");
    std::_Exit(0);
  }
}

/// Takes --cwd, --uid, --umask, --files, --pid-namespace, --timeout and --shards from the front of the
/// arguments.
Arguments prepare(Arguments arguments) {
  while (!arguments.empty() && arguments.front().starts_with("--")) {
    const std::string option = arguments.front();
    const std::string value = option.substr(option.find('=') + 1);
    if (option.starts_with("--umask=")) ::umask(static_cast<mode_t>(std::stoul(value, nullptr, 8)));
    if (option == "--pid-namespace") enter_pid_namespace();
    if (option.starts_with("--timeout=")) g_timeout_ms = std::stoi(value);
    if (option.starts_with("--shards=")) g_shards = static_cast<std::uint32_t>(std::stoul(value));
    if (option.starts_with("--cwd=") && ::chdir(value.c_str()) != 0) std::exit(4);
    if (option.starts_with("--files=")) {
      const rlim_t most = std::stoul(value);
      const rlimit limit{.rlim_cur = most, .rlim_max = most};
      ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (option.starts_with("--uid=")) {
      const auto id = static_cast<uid_t>(std::stoul(value));
      if (::setgid(id) != 0 || ::setuid(id) != 0) std::exit(4);
    }
    arguments.erase(arguments.begin());
  }
  return arguments;
}

int run(const Arguments& given) {
  const Arguments arguments = prepare(given);
  for (const auto& [name, mode] : kModes) {
    if (arguments.empty() || arguments.front() != name) continue;
    try {
      return mode({arguments.begin() + 1, arguments.end()});
    } catch (const Error& error) {
      tell(describe(error));
      return 2;
    }
  }
  std::fputs("which mode?\n", stderr);
  return 64;
}

}  // namespace

}  // namespace dcache::test

int main(int argc, char** argv) {
  try {
    return dcache::test::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "test_worker: %s\n", error.what());
    return 5;
  }
}
