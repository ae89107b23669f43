// SPDX-License-Identifier: Apache-2.0
#include "support/arena.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace dcache::test {

namespace {

constexpr std::uint64_t kThreads = 256;

/// Never 0.
std::uint64_t mark_of(std::uint32_t member, std::uint32_t thread) {
  return (member + std::uint64_t{1}) * kThreads + thread;
}

}  // namespace

/// Who finds the mark may be faster than who counts the killed.
bool Arena::was_killed(std::uint64_t mark) const {
  const std::uint64_t member = mark / kThreads - 1;
  if (member >= kMembers) return false;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!killed[member]) {
    if (std::chrono::steady_clock::now() >= end || inside != mark) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

std::uint64_t Arena::enter(std::uint32_t member, std::uint32_t thread, std::uint64_t new_fence,
                           bool owner_died) {
  if (const std::uint64_t mark = inside; mark != 0) {
    if (!was_killed(mark)) {
      ++overlaps;
    } else if (!owner_died) {
      ++untold;
    }
  }
  inside = mark_of(member, thread);
  if (new_fence <= fence) ++backwards;
  fence = new_fence;
  return counter;
}

void Arena::leave(std::uint32_t member, std::uint32_t thread, std::uint64_t count) {
  counter = count + 1;
  if (inside != mark_of(member, thread)) ++overlaps;
  inside = 0;
  ++granted[member];
  ++grants;
}

MappedArena::MappedArena(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Arena)) != 0) {
    throw std::runtime_error("no arena at " + path.native());
  }
  void* const memory = ::mmap(nullptr, sizeof(Arena), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map " + path.native());
  arena_ = static_cast<Arena*>(memory);
}

MappedArena::~MappedArena() { ::munmap(arena_, sizeof(Arena)); }

}  // namespace dcache::test
