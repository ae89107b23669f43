// SPDX-License-Identifier: Apache-2.0
#include "platform/shared_memory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "platform/directory.hpp"
#include "platform/fork.hpp"
#include "support/check.hpp"
#include "support/files.hpp"

TEST_CASE("a mapping outlives its descriptor, and what is written there is in the file") {
  const TempDir dir;
  platform::ForkClosedFd file(platform::open_private_file(dir / "memory", true));
  const auto memory = platform::SharedMemory::map(file.get(), 8192);
  file.reset(-1);
  REQUIRE(memory != nullptr);
  memory->at<char>(8191) = 'x';
  const std::string bytes = read_file(dir / "memory");
  CHECK(bytes.size() == 8192);
  CHECK(bytes.back() == 'x');
}

TEST_CASE("a file with holes has room on the disk once it is mapped, and keeps what it held") {
  const TempDir dir;
  constexpr std::size_t kBytes = 1 << 20;
  write_file(dir / "memory", "content");
  const platform::ForkClosedFd file(platform::open_private_file(dir / "memory", false));
  REQUIRE(::ftruncate(file.get(), kBytes) == 0);
  const auto memory = platform::SharedMemory::map(file.get(), kBytes);
  REQUIRE(memory != nullptr);
  struct stat info {};
  ::fstat(file.get(), &info);
  CHECK(static_cast<std::size_t>(info.st_blocks) * 512 >= kBytes);
  CHECK(memory->at<char>(0) == 'c');
}

TEST_CASE("what cannot be mapped is null") {
  CHECK(platform::SharedMemory::map(-1, 4096) == nullptr);
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  CHECK(platform::SharedMemory::map(ends[1], 4096) == nullptr);
  ::close(ends[0]);
  ::close(ends[1]);
}
