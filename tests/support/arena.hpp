// SPDX-License-Identifier: Apache-2.0
//
// What a lock protects in tests: numbers in a mapped file that processes share without atomics, so that two
// at once in the same place lose something.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>

namespace dcache::test {

/// So many processes may take part, killed ones included.
inline constexpr std::size_t kMembers = 4096;

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

 private:
  [[nodiscard]] bool was_killed(std::uint64_t mark) const;
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
