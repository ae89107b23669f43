// SPDX-License-Identifier: Apache-2.0
//
// A file or stdin, line by line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dcache::cli {

class Lines {
 public:
  /// Opens a file; "-" is stdin. Throws Failure.
  explicit Lines(const std::string& path);
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines();

  /// The next line without its end, valid until the next call; nothing at the end. Throws Failure, also for a
  /// line longer than any value is, and Interrupted.
  std::optional<std::string_view> next();

  /// How many lines `next` has given.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// Bytes of them, and of the whole; 0 if that is not known.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t total_bytes() const noexcept { return total_; }

 private:
  void make_room();

  const std::string name_;  ///< for errors
  int fd_;
  std::uint64_t total_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t count_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool ended_ = false;
};

}  // namespace dcache::cli
