// SPDX-License-Identifier: Apache-2.0
#include "support/arena.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace dcache::test {

namespace {

constexpr std::uint64_t kThreads = 256;

/// Never 0.
std::uint64_t mark_of(std::uint32_t member, std::uint32_t thread) {
  return (member + std::uint64_t{1}) * kThreads + thread;
}

/// In a place: the weight, and above it a number that grows with every change.
constexpr std::uint64_t kWeights = std::uint64_t{1} << 16U;

/// Whoever stays longer than this in a place, alive, hangs.
constexpr auto kLongestStay = std::chrono::seconds(10);

}  // namespace

/// Who finds the mark may be faster than who counts the killed.
bool Arena::was_killed(std::uint64_t mark) const {
  const std::uint64_t member = mark / kThreads - 1;
  if (member >= kMembers) return false;
  const auto end = std::chrono::steady_clock::now() + kLongestStay;
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

void Arena::weigh(std::uint32_t member, std::uint32_t thread, std::uint64_t weight, std::uint64_t capacity) {
  const auto own = static_cast<std::uint32_t>(member * kSharers + thread);
  std::uint32_t in_use = places_in_use;
  while (in_use <= own && !places_in_use.compare_exchange_weak(in_use, own + 1)) {
  }
  places[own] = (places[own] / kWeights + 1) * kWeights + weight;
  if (weight != 0 && is_overfull(own, capacity)) ++overlaps;
}

/// Two looks that are the same show who is inside at once. The end of one of them may not be known yet: one
/// that moves was alive, and the rest are waited for until they are known to be killed, or were too many
/// without them. Several may wait here for each other.
bool Arena::is_overfull(std::uint32_t own, std::uint64_t capacity) {
  using Seen = std::vector<std::pair<std::size_t, std::uint64_t>>;
  const auto look = [&] {
    Seen inside_now;
    for (std::size_t i = 0; i < places_in_use; ++i) {
      const std::uint64_t place = places[i];
      if (place % kWeights != 0 && !killed[i / kSharers]) inside_now.emplace_back(i, place);
    }
    return inside_now;
  };
  Seen seen = look();
  for (Seen next = look(); next != seen; next = look()) seen = std::move(next);
  if (seen.size() > 1) ++together;

  std::vector<bool> alive(seen.size());
  const auto end = std::chrono::steady_clock::now() + kLongestStay;
  for (;;) {
    std::uint64_t all = 0;
    std::uint64_t surely = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      const auto& [which, place] = seen[i];
      if (which == own || places[which] != place) alive[i] = true;
      if (!alive[i] && killed[which / kSharers]) continue;
      all += place % kWeights;
      if (alive[i]) surely += place % kWeights;
    }
    if (all <= capacity) return false;
    if (surely > capacity || overlaps != 0 || std::chrono::steady_clock::now() >= end) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void Arena::note_grant(std::uint64_t newest_before, std::uint64_t new_fence, bool owner_died) {
  if (new_fence <= newest_before) ++backwards;
  std::uint64_t before = newest;
  while (before < new_fence && !newest.compare_exchange_weak(before, new_fence)) {
  }
  if (owner_died) ++told;
}

bool Arena::killed_inside(std::uint32_t member) const {
  for (std::size_t thread = 0; thread < kSharers; ++thread) {
    if (places[member * kSharers + thread] % kWeights != 0) return true;
  }
  return false;
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
