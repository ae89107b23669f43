// SPDX-License-Identifier: Apache-2.0
//
// Threads of the library's own. They take no signals: a program's handler runs on a thread of the program's,
// and interrupts what that one waits in.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace dcache::platform {

/// The calling thread takes no signals while this lives, nor do threads that it makes meanwhile.
class NoSignals {
 public:
  NoSignals() noexcept;
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;
  ~NoSignals();

 private:
  sigset_t before_{};
};

/// A thread that runs `f` and takes no signals. Throws std::system_error if there can be none.
template <class F>
[[nodiscard]] std::thread start_thread(F f) {
  const NoSignals none;
  return std::thread(std::move(f));
}

}  // namespace dcache::platform
