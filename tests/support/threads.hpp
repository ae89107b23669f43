// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <thread>

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

}  // namespace dcache::test
