// SPDX-License-Identifier: Apache-2.0
//
// A file of words that several processes read and write at once, with no order among them: for hints.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "platform/fork.hpp"

namespace dcache::platform {

/// The first `most_mapped` words are in memory, shared with all others that have them there; those behind
/// are read and written by calls, so that a large file takes no more memory than a small one. Safe from any
/// thread; of no use in a forked child.
class WordFile {
 public:
  using Word = std::uint64_t;

  /// The file of that name; null if there is none that is a plain one of the directory's owner, or it cannot
  /// be had as it is needed.
  static std::unique_ptr<WordFile> open(const std::filesystem::path& path, std::size_t most_mapped) noexcept;

  WordFile(const WordFile&) = delete;
  WordFile& operator=(const WordFile&) = delete;
  ~WordFile();

  /// In words, as it is now.
  [[nodiscard]] std::uint64_t size() const noexcept;
  /// To be called before words behind the end are written; whether they may be.
  [[nodiscard]] bool make_room(std::uint64_t size) noexcept;

  /// Words of which all are mapped, or none; within the size that was seen. What cannot be read is 0.
  void read(std::uint64_t at, std::span<Word> words) const noexcept;
  /// The same without waiting for the disk: false where the system does not have them in memory. It is asked
  /// to fetch them then, with many around them.
  [[nodiscard]] bool read_now(std::uint64_t at, std::span<Word> words) const noexcept;
  /// Whether they could be written.
  bool write(std::uint64_t at, std::span<const Word> words) noexcept;

 private:
  explicit WordFile(int fd) : file_(fd) {}
  [[nodiscard]] bool map(std::size_t words) noexcept;

  const ForkClosedFd file_;
  std::atomic<Word>* mapped_ = nullptr;
  std::size_t mapped_words_ = 0;
};

}  // namespace dcache::platform
