// SPDX-License-Identifier: Apache-2.0
#include "platform/word_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>

#include "platform/directory.hpp"
#include "platform/shared_memory.hpp"

namespace dcache::platform {

namespace {

constexpr off_t kFetchedBytes = off_t{1} << 20;

off_t offset_of(std::uint64_t word) noexcept { return static_cast<off_t>(word * sizeof(WordFile::Word)); }

}  // namespace

std::unique_ptr<WordFile> WordFile::open(const std::filesystem::path& path,
                                         std::size_t most_mapped) noexcept {
  try {
    std::unique_ptr<WordFile> file(new WordFile(open_private_file(path, false)));
    if (file->file_.get() < 0) return nullptr;
    const FileInfo info = file_info(file->file_.get());
    if (info.type != FileType::regular || info.owner != file_info(path.parent_path()).owner) return nullptr;
    return file->map(most_mapped) ? std::move(file) : nullptr;
  } catch (const std::exception&) {
    return nullptr;
  }
}

/// Behind the file's end too: nothing is touched there before it has grown.
bool WordFile::map(std::size_t words) noexcept {
  if (!allocate(file_.get(), std::min<std::uint64_t>(size(), words) * sizeof(Word))) return false;
  void* const address =
      ::mmap(nullptr, words * sizeof(Word), PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  if (address == MAP_FAILED) return false;
  mapped_ = static_cast<std::atomic<Word>*>(address);
  mapped_words_ = words;
  return true;
}

WordFile::~WordFile() {
  if (mapped_ != nullptr) ::munmap(mapped_, mapped_words_ * sizeof(Word));
}

std::uint64_t WordFile::size() const noexcept {
  struct stat info {};
  return ::fstat(file_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) / sizeof(Word) : 0;
}

bool WordFile::make_room(std::uint64_t size) noexcept {
  return size > mapped_words_ || allocate(file_.get(), size * sizeof(Word));
}

void WordFile::read(std::uint64_t at, std::span<Word> words) const noexcept {
  if (at + words.size() <= mapped_words_) {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = mapped_[at + i].load(std::memory_order_relaxed);
    return;
  }
  const ssize_t got = ::pread(file_.get(), words.data(), words.size_bytes(), offset_of(at));
  const std::size_t whole = got < 0 ? 0 : static_cast<std::size_t>(got) / sizeof(Word);
  std::fill(words.begin() + static_cast<std::ptrdiff_t>(whole), words.end(), 0);
}

bool WordFile::read_now(std::uint64_t at, std::span<Word> words) const noexcept {
  if (at + words.size() > mapped_words_) {
    const iovec into{.iov_base = words.data(), .iov_len = words.size_bytes()};
    const ssize_t got = ::preadv2(file_.get(), &into, 1, offset_of(at), RWF_NOWAIT);
    if (got == static_cast<ssize_t>(words.size_bytes())) return true;
    if (got < 0 && errno == EAGAIN) {
      const off_t from = offset_of(at) & ~(kFetchedBytes - 1);
      ::posix_fadvise(file_.get(), from, kFetchedBytes, POSIX_FADV_WILLNEED);
      return false;
    }
    // The end, or a file system that cannot tell.
  }
  read(at, words);
  return true;
}

bool WordFile::write(std::uint64_t at, std::span<const Word> words) noexcept {
  if (at + words.size() <= mapped_words_) {
    for (std::size_t i = 0; i < words.size(); ++i) mapped_[at + i].store(words[i], std::memory_order_relaxed);
    return true;
  }
  return ::pwrite(file_.get(), words.data(), words.size_bytes(), offset_of(at)) ==
         static_cast<ssize_t>(words.size_bytes());
}

}  // namespace dcache::platform
