// SPDX-License-Identifier: Apache-2.0
#include "platform/process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <set>

#include "platform/clock.hpp"
#include "platform/fork.hpp"
#include "support/check.hpp"

TEST_CASE("no two threads ever have the same agent, though the kernel uses their numbers again") {
  std::set<std::uint64_t> agents{platform::thread_agent()};
  std::set<std::int64_t> tids;
  constexpr int kThreads = 300;
  for (int i = 0; i < kThreads; ++i) {
    std::uint64_t agent = 0;
    std::thread([&] {
      agent = platform::thread_agent();
      CHECK(platform::thread_agent() == agent);
      tids.insert(platform::tid());
    }).join();
    agents.insert(agent);
  }
  CHECK(agents.size() == kThreads + 1);
  // One sequence for threads and for all else, so that none of these numbers comes back either.
  const std::uint64_t handle = platform::new_agent();
  CHECK(handle > *agents.rbegin());
  std::uint64_t later = 0;
  std::thread([&] { later = platform::thread_agent(); }).join();
  CHECK(later > handle);
}

TEST_CASE("pid and tid are the kernel's numbers") {
  CHECK(platform::pid() == ::getpid());
  CHECK(platform::tid() == ::getpid());  // of the first thread
  std::thread([] { CHECK(platform::tid() != ::getpid()); }).join();
}

TEST_CASE("a process is told by when it started, also if its name is made to confuse") {
  const auto started = platform::start_time(::getpid());
  REQUIRE(started.has_value());
  CHECK(*started > 0);
  std::array<char, 16> name{};
  ::prctl(PR_GET_NAME, name.data());
  for (const char* hostile : {") R 1 2 3 (", "a b c d", ")", "((", ") ) )"}) {
    ::prctl(PR_SET_NAME, hostile);
    CHECK(platform::start_time(::getpid()) == started);
    CHECK(platform::command_name(::getpid()) == hostile);
  }
  ::prctl(PR_SET_NAME, name.data());
  CHECK(platform::start_time(1 << 30) == std::nullopt);
  CHECK(platform::command_name(1 << 30).empty());
}

TEST_CASE("the boot and the pid namespace have names on Linux") {
  CHECK(platform::boot_id().size() == 32);
  CHECK(platform::boot_id().find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(platform::pid_namespace() != 0);
}

TEST_CASE("random bytes differ") {
  std::array<std::byte, 64> one{};
  std::array<std::byte, 64> two{};
  platform::random_bytes(one);
  platform::random_bytes(two);
  CHECK(one != two);
}

TEST_CASE("the clock of leases grows, and sleeping takes the time asked for") {
  const std::int64_t start = platform::boottime_ns();
  platform::sleep_for(20ms);
  CHECK(platform::boottime_ns() - start >= std::chrono::nanoseconds(20ms).count());
  const auto before = std::chrono::steady_clock::now();
  platform::sleep_for(Duration());
  platform::sleep_for(-1h);
  CHECK(std::chrono::steady_clock::now() - before < 1s);
}

TEST_CASE("a ForkClosedFd closes what it had, and can be used again") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  {
    platform::ForkClosedFd empty;
    CHECK(empty.get() == -1);
    platform::ForkClosedFd first(ends[0]);
    platform::ForkClosedFd second(ends[1]);
    CHECK(first.get() == ends[0]);
    const int copy = ::dup(ends[0]);
    first.reset(copy);
    CHECK(::fcntl(ends[0], F_GETFD) == -1);
    CHECK(::fcntl(copy, F_GETFD) != -1);
    first.reset(-1);
    CHECK(::fcntl(copy, F_GETFD) == -1);
    first.reset(-1);
    empty.reset(-1);
    CHECK(::fcntl(ends[1], F_GETFD) != -1);
  }
  CHECK(::fcntl(ends[1], F_GETFD) == -1);
}
