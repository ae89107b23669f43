// SPDX-License-Identifier: Apache-2.0
#include "platform/byte_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>

#include "platform/byte_waiter.hpp"
#include "platform/directory.hpp"
#include "platform/fork.hpp"
#include "support/check.hpp"

using platform::ByteState;

TEST_CASE("a locked byte is seen through every other description of the file, until it is closed") {
  const TempDir dir;
  const int holder = platform::open_private_file(dir / "life", true);
  const int other = platform::open_private_file(dir / "life", false);
  REQUIRE(holder >= 0);
  REQUIRE(other >= 0);
  const std::uint64_t far = (std::uint64_t{1} << 62) + 5;
  CHECK(platform::probe_byte(other, far) == ByteState::free);
  CHECK(platform::lock_byte(holder, far));
  CHECK(platform::lock_byte(holder, far));
  CHECK(platform::probe_byte(other, far) == ByteState::locked);
  CHECK(platform::probe_byte(other, far + 1) == ByteState::free);
  CHECK(platform::probe_byte(other, far - 1) == ByteState::free);
  CHECK_FALSE(platform::lock_byte(other, far));
  CHECK(platform::probe_byte(holder, far) == ByteState::free);  // one's own never conflicts

  // As in a forked child: a copy keeps the lock, and closing a description of one's own drops nothing.
  const int copy = ::dup(holder);
  ::close(platform::open_private_file(dir / "life", false));
  ::close(holder);
  CHECK(platform::probe_byte(other, far) == ByteState::locked);
  ::close(copy);
  CHECK(platform::probe_byte(other, far) == ByteState::free);
  ::close(other);
}

TEST_CASE("an impossible probe is unknown, never free") {
  CHECK(platform::probe_byte(-1, 0) == ByteState::unknown);
  CHECK_FALSE(platform::lock_byte(-1, 0));
}

namespace {

enum class Said { nothing, free, refused };

void say(void* said, bool free) {
  *static_cast<std::atomic<Said>*>(said) = free ? Said::free : Said::refused;
}

}  // namespace

TEST_CASE("a waiter is told when a byte is let go, though others hold a read lock on it, and holds nothing") {
  const TempDir dir;
  platform::ForkClosedFd holder(platform::open_private_file(dir / "life", true));
  const platform::ForkClosedFd other(platform::open_private_file(dir / "life", false));
  const platform::ForkClosedFd reader(platform::open_private_file(dir / "life", false));
  constexpr std::uint64_t kByte = 1000;
  REQUIRE(platform::lock_byte(holder.get(), kByte));
  std::atomic<Said> said{Said::nothing};
  platform::ByteWaiter waiter;
  REQUIRE(waiter.start(other.get(), kByte, &say, &said));
  std::this_thread::sleep_for(20ms);
  CHECK(said == Said::nothing);
  // Makes a read lock of the holder's write lock: another waiter's, as far as the first can see.
  struct flock read {};
  read.l_type = F_RDLCK;
  read.l_start = kByte;
  read.l_len = 1;
  REQUIRE(::fcntl(holder.get(), F_OFD_SETLK, &read) == 0);
  CHECK(eventually([&] { return said == Said::free; }));
  holder.reset(-1);
  CHECK(platform::lock_byte(reader.get(), kByte));
}

TEST_CASE("a wait can be broken off, and then nothing is locked by it") {
  const TempDir dir;
  platform::ForkClosedFd holder(platform::open_private_file(dir / "life", true));
  const platform::ForkClosedFd other(platform::open_private_file(dir / "life", false));
  const platform::ForkClosedFd reader(platform::open_private_file(dir / "life", false));
  for (int i = 0; i < rounds(50); ++i) {
    constexpr std::uint64_t kByte = 1000;
    REQUIRE(platform::lock_byte(holder.get(), kByte));
    std::atomic<Said> said{Said::nothing};
    {
      platform::ByteWaiter waiter;
      REQUIRE(waiter.start(other.get(), kByte, &say, &said));
      if (i % 2 == 0) std::this_thread::sleep_for(1ms);
      if (i % 5 == 0) platform::unlock_byte(holder.get(), kByte);
    }
    platform::unlock_byte(holder.get(), kByte);
    if (i % 5 != 0) CHECK(said == Said::nothing);
    CHECK(platform::lock_byte(reader.get(), kByte));
    platform::unlock_byte(reader.get(), kByte);
  }
}

TEST_CASE("a wait that the system refuses ends") {
  std::atomic<Said> said{Said::nothing};
  platform::ByteWaiter waiter;
  REQUIRE(waiter.start(-1, 0, &say, &said));
  CHECK(eventually([&] { return said == Said::refused; }));
}

TEST_CASE("a waiter that was never started does nothing") { const platform::ByteWaiter waiter; }
