// SPDX-License-Identifier: Apache-2.0
//
// Plain files of ours, named by path and never through a symbolic link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dcache::platform {

/// An open file; closed when it goes. Failures throw ReadOnly, Full or IoError, naming the path.
class File {
 public:
  File() = default;
  explicit File(int fd) noexcept : fd_(fd) {}
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  /// Makes a new file of mode 0600 for writing; false if its directory does not exist.
  [[nodiscard]] bool create(std::string path);
  /// Opens a regular file for reading; false if there is none.
  [[nodiscard]] bool open(std::string path);
  void close() noexcept;

  void write(std::string_view bytes);
  /// Reads at most `size` bytes; 0 at the end.
  std::size_t read(char* buffer, std::size_t size);
  /// Of a file opened for reading, as it was then.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  void sync();

 private:
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::string path_;  ///< for errors
};

/// Makes a directory of mode 0700 unless it is there, with its parents up to `base`, which must exist.
void make_directories(const std::filesystem::path& base, const std::filesystem::path& below);

/// Waits until the names in a directory are on the disk. Throws IoError.
void sync_directory(const std::filesystem::path& path);

/// Gives a file a second name; false if a directory in `to` does not exist.
[[nodiscard]] bool link_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Gives a file another name, whose file goes. Failure leaves both as they are.
[[nodiscard]] bool rename_file(const std::filesystem::path& from, const std::filesystem::path& to) noexcept;

/// Gives a file or directory another name, unless something has that name: then false. Throws ReadOnly, Full,
/// IoError.
[[nodiscard]] bool rename_new(const std::filesystem::path& from, const std::filesystem::path& to);

/// Removes a name; whether it was there. Failure is no error: the sweep comes back to it.
bool remove_file(const std::filesystem::path& path) noexcept;

/// Removes a directory with all that is in it, as far as that is possible.
void remove_tree(const std::filesystem::path& path) noexcept;
/// Removes a directory if nothing is in it.
void remove_empty_directory(const std::filesystem::path& path) noexcept;

/// Waits until all that was written to the file system of a directory is on the disk. Throws IoError.
void sync_file_system(const std::filesystem::path& directory);

/// Bytes that this process could still write to the file system of a directory; as many as can be counted
/// where that is not known.
[[nodiscard]] std::uint64_t free_bytes(const std::filesystem::path& directory) noexcept;

/// Sees to it that the file `path`, made if need be, has at least `bytes` of the disk for itself. False if
/// there is no room, or the file cannot be had: then it takes no more than before.
[[nodiscard]] bool reserve_room(const std::filesystem::path& path, std::uint64_t bytes) noexcept;
/// Gives back what such a file takes but for `keep` bytes; whether that was anything.
bool give_back_room(const std::filesystem::path& path, std::uint64_t keep = 0) noexcept;

/// Names in a directory, without "." and ".."; none if it does not exist. Throws IoError, as the list would
/// be believed to be whole.
std::vector<std::string> names_in(const std::filesystem::path& path);

/// A descriptor of the caller's: reads at most `size` bytes (0 at the end), writes all of `bytes`.
std::size_t read_descriptor(int fd, char* buffer, std::size_t size);
void write_descriptor(int fd, std::string_view bytes);

}  // namespace dcache::platform
