// SPDX-License-Identifier: Apache-2.0
//
// What processes have done to a few keys of a cache, and when: in a mapped file, so that what a process did
// stays known when it is killed. And whether all of that could have happened one after the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace dcache::test {

/// One operation on one key. An operation on several keys has a record for each.
struct Did {
  enum class What : std::uint8_t { nothing, read, write, remove, undone };
  std::int64_t start = 0;   ///< nanoseconds of the monotonic clock; 0 = there is no record here
  std::int64_t end = 0;     ///< 0 = it was killed before its end
  std::uint64_t value = 0;  ///< which was written or read; 0 = none, or not known
  std::uint32_t key = 0;
  What what = What::nothing;
};
static_assert(sizeof(Did) == 32);

/// What a read says that has found bytes which nobody can have written.
inline constexpr std::uint64_t kTorn = ~std::uint64_t{0};

/// The mapped file. Who has something to note takes a chunk of it; when there is none left, all is done.
class Witness {
 public:
  static constexpr std::size_t kChunk = 512;
  /// Makes the file if it is not there, with room for so many records.
  Witness(const std::filesystem::path& path, std::size_t records);
  explicit Witness(const std::filesystem::path& path) : Witness(path, 0) {}
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  ~Witness();

  /// Empty when the file is full, or all are to stop.
  std::span<Did> take_chunk() noexcept;
  /// A number that nobody else has.
  std::uint64_t number() noexcept;
  void stop() noexcept;
  [[nodiscard]] bool full() const noexcept;

  [[nodiscard]] std::span<const Did> all() const noexcept;

 private:
  struct Head {
    std::atomic<std::uint64_t> taken;
    std::atomic<std::uint64_t> numbers;
    std::atomic<bool> stopped;
  };
  Head* head_ = nullptr;
  Did* records_ = nullptr;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

struct Verdict {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::vector<std::string> wrong;  ///< the first few
};

/// No read may be older than what was known before it began: by a write or a removal that had come to its
/// end, or by an answer to anybody. Keys below `never_removed` are looked at more closely: by the condition
/// of Gibbons and Korach ("Testing shared memories", 1997) for a register whose written values all differ,
/// which holds exactly if there is an order. Every key is absent at first.
[[nodiscard]] Verdict judge(std::span<const Did> all, std::uint32_t keys, std::uint32_t never_removed);

}  // namespace dcache::test
