// SPDX-License-Identifier: Apache-2.0
#include "platform/word_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "support/check.hpp"
#include "support/files.hpp"
#include "support/temp_dir.hpp"

namespace {

using platform::WordFile;

constexpr std::size_t kMapped = 1024;

WordFile::Word word_at(const WordFile& file, std::uint64_t at) {
  WordFile::Word word = 1;
  file.read(at, {&word, 1});
  return word;
}

}  // namespace

TEST_CASE("words in memory and behind it are the same for all who have the file") {
  const TempDir dir;
  write_file(dir / "words", "");
  const auto one = WordFile::open(dir / "words", kMapped);
  const auto other = WordFile::open(dir / "words", kMapped);
  REQUIRE(one);
  REQUIRE(other);
  CHECK(one->size() == 0);
  REQUIRE(one->make_room(kMapped));
  CHECK(other->size() == kMapped);
  const std::array<WordFile::Word, 2> words{3, 4};
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{kMapped - 2}, std::uint64_t{kMapped * 3}}) {
    CAPTURE(at);
    REQUIRE(one->make_room(at + words.size()));
    CHECK(one->write(at, words));
    CHECK(word_at(*other, at) == 3);
    CHECK(word_at(*other, at + 1) == 4);
  }
  CHECK(other->size() == kMapped * 3 + 2);
  CHECK(word_at(*other, kMapped * 2) == 0);
  CHECK(read_file(dir / "words").size() == other->size() * sizeof(WordFile::Word));
  CHECK(read_file(dir / "words")[0] == 3);
}

TEST_CASE("what is behind the end is 0") {
  const TempDir dir;
  write_file(dir / "words", std::string((kMapped + 1) * sizeof(WordFile::Word), '\x01'));
  const auto file = WordFile::open(dir / "words", kMapped);
  REQUIRE(file);
  std::vector<WordFile::Word> words(3, 7);
  file->read(kMapped, words);
  CHECK(words == std::vector<WordFile::Word>{0x0101010101010101, 0, 0});
}

TEST_CASE("what is no plain file is not opened as words") {
  const TempDir dir;
  CHECK(WordFile::open(dir / "missing", kMapped) == nullptr);
  CHECK(WordFile::open(dir.path(), kMapped) == nullptr);
  write_file(dir / "words", "words");
  std::filesystem::create_symlink(dir / "words", dir / "link");
  CHECK(WordFile::open(dir / "link", kMapped) == nullptr);
  CHECK(WordFile::open(dir / "words", kMapped) != nullptr);
  if (::chown((dir / "words").c_str(), 1, 1) != 0) return;  // only root gives files away
  CHECK(WordFile::open(dir / "words", kMapped) == nullptr);
}

TEST_CASE("what the system would have to fetch is not waited for, and there a little later") {
  const TempDir dir;
  const std::string path = dir / "words";
  write_file(path, std::string((std::size_t{4} << 20), '\x01'));
  const auto file = WordFile::open(path, kMapped);
  REQUIRE(file);
  constexpr std::uint64_t kAt = 100'000;
  WordFile::Word word = 0;
  CHECK(file->read_now(0, {&word, 1}));
  CHECK(word == 0x0101010101010101);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ::fsync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
  word = 0;
  if (file->read_now(kAt, {&word, 1})) {  // a file system that has all in memory
    CHECK(word == 0x0101010101010101);
    return;
  }
  CHECK(eventually([&] { return file->read_now(kAt, {&word, 1}); }));
  CHECK(word == 0x0101010101010101);
  CHECK(file->read_now(kAt + 512, {&word, 1}));
}
