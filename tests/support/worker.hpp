// SPDX-License-Identifier: Apache-2.0
//
// Other processes for tests: the helper program `test_worker`, executed anew (never forked off this process),
// with pipes to talk in lines.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dcache::test {

class Worker {
 public:
  /// Starts `test_worker` with these arguments: options such as --umask=022, then a mode and what it needs.
  explicit Worker(const std::vector<std::string>& arguments);
  Worker(Worker&& other) noexcept;
  Worker& operator=(Worker&&) = delete;
  /// Kills it if it still runs.
  ~Worker();

  /// Writes a line to it.
  void say(std::string_view line);
  /// The next line that it writes. Throws std::runtime_error at its end, or when `limit` passes.
  std::string line(std::chrono::milliseconds limit = std::chrono::seconds(60));
  /// The same, without complaint.
  std::optional<std::string> try_line(std::chrono::milliseconds limit);
  /// `say`, then `line`.
  std::string ask(std::string_view question);
  /// All that it writes until it ends.
  std::vector<std::string> rest();

  void signal(int number) const;
  /// SIGKILL, and waits until the kernel has cleared it away.
  void kill();
  /// Closes its input and waits for its end: its exit status, or 128 + signal.
  int wait();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  bool fill(std::chrono::steady_clock::time_point deadline);
  void close_input() noexcept;

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  bool ended_ = false;
  std::string buffer_;
};

/// A worker that does what it is told, with the cache at `path`.
Worker shell(const std::string& path);

/// Runs a worker to its end and returns its lines; throws std::runtime_error unless it exits with 0.
std::vector<std::string> run_worker(const std::vector<std::string>& arguments);

/// Where the helper program is: beside the running one, or in the folder above.
std::string worker_path();

}  // namespace dcache::test
