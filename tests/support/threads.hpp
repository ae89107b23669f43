// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "support/files.hpp"

namespace dcache::test {

/// Threads of this process. The first one that is made may bring a sanitizer's own with it, so that one is
/// made and ended before anything is counted.
[[nodiscard]] inline std::ptrdiff_t thread_count() {
  static const bool started = [] {
    std::thread([] {}).join();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the kernel forgets it a moment later
    return true;
  }();
  static_cast<void>(started);
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

/// Whether that process, or thread ("self/task/TID"), is in a state by its letter in proc(5): S asleep, T
/// stopped.
[[nodiscard]] inline bool has_state(const std::string& task, char state) {
  return read_file("/proc/" + task + "/stat").find(std::string(") ") + state + ' ') != std::string::npos;
}

/// Threads of this process on which a handler of `signal` may run.
[[nodiscard]] inline int threads_that_take(int signal) {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      const unsigned long long blocked =
          std::stoull(line.substr(line.find_first_not_of("\t ", 7)), nullptr, 16);
      if ((blocked >> (signal - 1) & 1) == 0) ++count;
    }
  }
  return count;
}

}  // namespace dcache::test
