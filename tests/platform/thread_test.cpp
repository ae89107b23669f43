// SPDX-License-Identifier: Apache-2.0
#include "platform/thread.hpp"

#include <unistd.h>

#include <future>

#include "support/check.hpp"

TEST_CASE("a thread of the library's own takes no signals, who makes it does") {
  std::promise<void> end;
  std::thread thread = platform::start_thread([ended = end.get_future()] { ended.wait(); });
  sigset_t mine;
  sigemptyset(&mine);
  sigaddset(&mine, SIGUSR2);
  sigset_t before;
  REQUIRE(pthread_sigmask(SIG_BLOCK, &mine, &before) == 0);
  CHECK(sigismember(&before, SIGUSR2) == 0);
  // If any thread took it, it would end this process.
  REQUIRE(kill(getpid(), SIGUSR2) == 0);
  const timespec limit{.tv_sec = 10, .tv_nsec = 0};
  CHECK(sigtimedwait(&mine, nullptr, &limit) == SIGUSR2);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  end.set_value();
  thread.join();
}
