// SPDX-License-Identifier: Apache-2.0
//
// What a lock protects in tests: numbers in a mapped file that processes share without atomics, so that two
// at once in the same place lose something; and places for those who may be inside together.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>

namespace dcache::test {

/// So many processes may take part, killed ones included.
inline constexpr std::size_t kMembers = 4096;
/// So many threads of each may share.
inline constexpr std::size_t kSharers = 2;

/// All zero at first. The lock alone protects the first three; volatile only makes the compiler go to the
/// memory each time.
struct Arena {
  volatile std::uint64_t counter;
  volatile std::uint64_t fence;   ///< of the newest grant
  volatile std::uint64_t inside;  ///< a mark of who is in there; 0 = nobody

  std::atomic<std::uint64_t> overlaps;   ///< somebody was inside already, or came in too
  std::atomic<std::uint64_t> backwards;  ///< grants with a fence that was not above the one before
  std::atomic<std::uint64_t> untold;     ///< grants over a killed holder that did not say so
  std::atomic<std::uint64_t> grants;
  std::atomic<bool> stop;
  std::atomic<bool> calm;                          ///< take a rest after each visit
  std::array<std::atomic<bool>, kMembers> killed;  ///< and waited for
  std::array<std::atomic<std::uint64_t>, kMembers> granted;

  /// A member comes in: with the fence of its grant, and what the lock said about the holder before. Returns
  /// the counter, for `leave` to write the next number: who comes in between is lost from the count.
  std::uint64_t enter(std::uint32_t member, std::uint32_t thread, std::uint64_t new_fence, bool owner_died);
  void leave(std::uint32_t member, std::uint32_t thread, std::uint64_t count);

  // Where several may be inside together, each has a weight there: that of all together is never above the
  // capacity. A reader weighs 1 and a writer as much as all.
  std::atomic<std::uint64_t> newest;         ///< the highest fence that anybody has had
  std::atomic<std::uint64_t> told;           ///< grants that said that a holder had died
  std::atomic<std::uint64_t> together;       ///< times that somebody was met inside
  std::atomic<std::uint32_t> places_in_use;  ///< the first so many
  std::array<std::atomic<std::uint64_t>, kMembers * kSharers> places;

  /// A member weighs so much from now on; 0 = it is outside. It must be allowed to both before and after.
  void weigh(std::uint32_t member, std::uint32_t thread, std::uint64_t weight, std::uint64_t capacity);
  /// A member has got a grant; `newest_before` is what `newest` was before it asked.
  void note_grant(std::uint64_t newest_before, std::uint64_t new_fence, bool owner_died);
  /// Whether a killed member was inside when it ended.
  [[nodiscard]] bool killed_inside(std::uint32_t member) const;

 private:
  [[nodiscard]] bool was_killed(std::uint64_t mark) const;
  [[nodiscard]] bool is_overfull(std::uint32_t own, std::uint64_t capacity);
};

/// The arena in a file, which is made if there is none.
class MappedArena {
 public:
  explicit MappedArena(const std::filesystem::path& path);
  MappedArena(const MappedArena&) = delete;
  MappedArena& operator=(const MappedArena&) = delete;
  ~MappedArena();

  Arena* operator->() noexcept { return arena_; }
  Arena& operator*() noexcept { return *arena_; }

 private:
  Arena* arena_ = nullptr;
};

}  // namespace dcache::test
