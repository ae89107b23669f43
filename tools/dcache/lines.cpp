// SPDX-License-Identifier: Apache-2.0
#include "lines.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "dcache/cache.hpp"
#include "errors.hpp"
#include "interrupt.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

constexpr std::size_t kFirstCapacity = std::size_t{1} << 20;
/// Text may take six characters a byte.
constexpr std::size_t kLongest = 6 * kMaxValueBytes + kFirstCapacity;

}  // namespace

Lines::Lines(const std::string& path)
    : name_(path == "-" ? "stdin" : in_quotes(path)),
      fd_(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
      // Not zeroed, so that what is never used is never had.
      buffer_(new char[kFirstCapacity]),
      capacity_(kFirstCapacity) {
  if (fd_ < 0) {
    const int error = errno;
    throw Failure(error == ENOENT   ? kNoCache
                  : error == EACCES ? kRefused
                                    : kIo,
                  "cannot read " + name_ + ": " + errno_text(error));
  }
  struct stat info {};
  if (::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode)) total_ = static_cast<std::uint64_t>(info.st_size);
}

Lines::~Lines() {
  if (fd_ != STDIN_FILENO) ::close(fd_);
}

std::optional<std::string_view> Lines::next() {
  for (std::size_t looked = begin_;;) {
    const char* const from = buffer_.get();
    const void* found = looked == end_ ? nullptr : std::memchr(from + looked, '\n', end_ - looked);
    if (found == nullptr && ended_ && begin_ == end_) return std::nullopt;
    if (found != nullptr || ended_) {
      const std::size_t end =
          found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - from) : end_;
      const std::string_view line(from + begin_, end - begin_);
      begin_ = found != nullptr ? end + 1 : end;
      bytes_ += line.size() + 1;
      ++count_;
      return line;
    }
    looked = end_ - begin_;
    make_room();
    const std::size_t more = Interruptible::read(fd_, {buffer_.get() + end_, capacity_ - end_}, name_);
    end_ += more;
    ended_ = more == 0;
  }
}

/// Moves what is left to the front, with room behind it.
void Lines::make_room() {
  const std::size_t left = end_ - begin_;
  if (left > kLongest) {
    throw Failure(kBadData, "line " + std::to_string(count_ + 1) + " of " + name_ + " is longer than " +
                                std::to_string(kLongest) + " bytes: no value is so large");
  }
  if (left > capacity_ / 2) {
    std::unique_ptr<char[]> larger(new char[2 * capacity_]);
    std::memcpy(larger.get(), buffer_.get() + begin_, left);
    buffer_ = std::move(larger);
    capacity_ *= 2;
  } else {
    std::memmove(buffer_.get(), buffer_.get() + begin_, left);
  }
  begin_ = 0;
  end_ = left;
}

}  // namespace dcache::cli
