// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "dcache/bytes.hpp"
#include "doctor.hpp"
#include "errors.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

namespace fs = std::filesystem;
using State = Finding::State;

/// Bytes of `life` below this are nobody's proof of life.
constexpr off_t kUnusedBytes = 1 << 16;

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// A nameless file in the directory, so that nothing stays.
int open_nameless(const fs::path& directory) {
#ifdef O_TMPFILE
  return ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#else
  errno = ENOTSUP;
  return -1;
#endif
}

bool lock(int fd, short type, off_t at) {
  struct flock wanted {};
  wanted.l_type = type;
  wanted.l_whence = SEEK_SET;
  wanted.l_start = at;
  wanted.l_len = 1;
  return ::fcntl(fd, F_OFD_SETLK, &wanted) == 0;
}

bool seems_locked(int fd, off_t at) {
  struct flock wanted {};
  wanted.l_type = F_RDLCK;
  wanted.l_whence = SEEK_SET;
  wanted.l_start = at;
  wanted.l_len = 1;
  return ::fcntl(fd, F_OFD_GETLK, &wanted) == 0 && wanted.l_type != F_UNLCK;
}

std::string octal(mode_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777U));
  return text.data();
}

std::uint64_t soft_limit(decltype(RLIMIT_NOFILE) which) {
  rlimit limit{};
  return ::getrlimit(which, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

}  // namespace

Finding look_at_files(const fs::path& directory) {
  constexpr std::array kFiles = {"cache.db", "cache.db-wal", "cache.db-shm", "board",
                                 "visits",   "hints",        "life",         "spare"};
  struct stat place {};
  if (::stat(directory.c_str(), &place) != 0) {
    return {State::problem, "files", "cannot look at the directory: " + errno_text(errno),
            "look again: it may just have been removed"};
  }
  std::string wrong;
  std::string open_to_others;
  const auto note = [&](const char* name, const struct stat& info) {
    if (info.st_uid != place.st_uid) {
      wrong +=
          std::string(wrong.empty() ? "" : ", ") + name + " belongs to user " + std::to_string(info.st_uid);
    }
    if ((info.st_mode & 077U) != 0) {
      wrong += std::string(wrong.empty() ? "" : ", ") + name + " has mode " + octal(info.st_mode);
      open_to_others += std::string(" ") + name;
    }
  };
  for (const char* const name : kFiles) {
    struct stat info {};
    if (::lstat((directory / name).c_str(), &info) == 0) note(name, info);
  }
  if (!wrong.empty()) {
    return {State::warning, "files", "others can get at the cache's files: " + wrong,
            open_to_others.empty() ? "chown them to the owner of the directory"
                                   : "in the directory: chmod 600" + open_to_others};
  }
  if ((place.st_mode & 077U) != 0) {
    return {State::note, "files",
            "others can enter the directory, but not read its files: mode " + octal(place.st_mode),
            "chmod 700 " + shell_word(directory.native())};
  }
  return {State::ok, "files", "for their owner alone"};
}

std::string file_system_of(const fs::path& directory) {
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) return "unknown";
  const std::string device = std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // "36 35 98:0 /root /mount options shared:1 - ext4 /dev/root rw": see proc(5)
    std::istringstream words(line);
    std::string word;
    std::string its_device;
    words >> word >> word >> its_device;
    const std::size_t dash = line.find(" - ");
    if (its_device != device || dash == std::string::npos) continue;
    const std::size_t begin = dash + 3;
    return escape(line.substr(begin, line.find(' ', begin) - begin));
  }
  return "unknown";
}

Finding look_at_byte_locks(const fs::path& directory) {
  const fs::path life = directory / "life";
  const Descriptor named(::open(life.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (named.get() < 0 && errno != ENOENT) {
    return {State::problem, "life", "the file of proofs of life cannot be used: " + errno_text(errno),
            "give its owner the right to read and write it"};
  }
  const Descriptor nameless(named.get() < 0 ? open_nameless(directory) : -1);
  const int first = named.get() < 0 ? nameless.get() : named.get();
  if (first < 0) {
    return {State::note, "life",
            "nobody has used a lock yet, and there is no trying here: " + errno_text(errno),
            "look again as somebody who may write here"};
  }
  const std::string again = "/proc/self/fd/" + std::to_string(first);
  const Descriptor second(::open(again.c_str(), O_RDWR | O_CLOEXEC));
  const off_t at = ::getpid() % kUnusedBytes;
  if (second.get() < 0) {
    return {State::note, "life", "file locks cannot be tried: " + errno_text(errno),
            "look again where /proc is mounted"};
  }
  const bool taken = lock(first, F_WRLCK, at) && seems_locked(second.get(), at);
  const bool given_back = lock(first, F_UNLCK, at) && !seems_locked(second.get(), at);
  if (!taken || !given_back) {
    return {State::problem, "life",
            "file locks do not work here: it cannot be told whether the holder of a lock still runs",
            "move the cache to a local disk"};
  }
  return {State::ok, "life", "file locks work: a holder that is killed loses its locks at once"};
}

Finding look_at_space(const fs::path& directory) {
  struct statvfs info {};
  if (::statvfs(directory.c_str(), &info) != 0) {
    return {State::note, "space", "the free space cannot be asked for: " + errno_text(errno),
            "see what df(1) says"};
  }
  const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  if ((info.f_flag & ST_RDONLY) != 0) {
    return {State::problem, "space",
            "the file system is mounted read-only: nothing can be stored, no lock taken",
            "mount it for writing"};
  }
  if (::access(directory.c_str(), W_OK) != 0) {
    return {State::problem, "space", "you may not write here: nothing can be stored, no lock taken",
            "ask the owner, or use a directory of your own"};
  }
  const std::string text = short_size(free) + " are free on this disk";
  if (free < kMiB) return {State::problem, "space", text + ": nothing can be stored", "make room"};
  if (free < 64 * kMiB) return {State::warning, "space", text, "make room"};
  if (info.f_files > 0 && info.f_favail < 100) {
    return {State::warning, "space",
            text + ", but only " + std::to_string(info.f_favail) + " files can be made",
            "remove files you do not need"};
  }
  return {State::ok, "space", text};
}

Findings look_at_limits(const Stats& stats) {
  Findings found;
  constexpr std::uint64_t kFewFiles = 64;
  if (const std::uint64_t files = soft_limit(RLIMIT_NOFILE); files < kFewFiles) {
    found.push_back(
        {State::warning, "limits",
         "a process may have only " + std::to_string(files) + " files open, and each thread needs some",
         "ulimit -n 1024"});
  }
  if (const std::uint64_t largest = soft_limit(RLIMIT_FSIZE); largest != RLIM_INFINITY) {
    const bool reached = largest <= std::max(stats.database_bytes, stats.wal_bytes) + kMiB;
    found.push_back(
        {reached ? State::problem : State::note, "limits",
         "files may grow to " + short_size(largest) + (reached ? ": too little for this cache" : ""),
         "ulimit -f unlimited"});
  }
  if (found.empty())
    found.push_back({State::ok, "limits", "open files and their sizes are not limited too tightly"});
  return found;
}

Finding look_at_leftovers(const fs::path& directory) {
  constexpr auto kLongAgo = std::chrono::hours(1);
  std::uint64_t left = 0;
  std::error_code failed;
  for (fs::directory_iterator at(directory / "values/new", failed), end; !failed && at != end;
       at.increment(failed)) {
    std::error_code gone;
    const auto written = fs::last_write_time(at->path(), gone);
    if (!gone && fs::file_time_type::clock::now() - written > kLongAgo) ++left;
  }
  if (left == 0) return {State::ok, "leftovers", "no files of writers that died"};
  return {State::note, "leftovers",
          std::to_string(left) + " files of large values were begun more than an hour ago and not finished",
          "`dcache expire` removes those whose writers are gone"};
}

}  // namespace dcache::cli
