// SPDX-License-Identifier: Apache-2.0
#include "platform/byte_lock.hpp"

#include <unistd.h>

#include "platform/directory.hpp"
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
