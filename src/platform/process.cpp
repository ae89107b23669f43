// SPDX-License-Identifier: Apache-2.0
#include "platform/process.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>

#include <string_view>
#include <system_error>

#include "dcache/error.hpp"

namespace dcache::platform {

namespace {

std::atomic<std::uint64_t> g_last_agent{0};

}  // namespace

std::int64_t pid() noexcept { return ::getpid(); }

std::int64_t tid() noexcept {
  // One call a thread; a forked child has another number, so the pid is part of what is remembered.
  thread_local std::int64_t known_pid = 0;
  thread_local std::int64_t known_tid = 0;
  const std::int64_t now_pid = pid();
  if (known_pid != now_pid) {
    known_tid = syscall(SYS_gettid);
    known_pid = now_pid;
  }
  return known_tid;
}

std::uint64_t new_agent() noexcept {
  return 2 * (g_last_agent.fetch_add(1, std::memory_order_relaxed) + 1) + 1;
}

std::uint64_t thread_agent() noexcept {
  thread_local const std::uint64_t agent = new_agent() - 1;
  return agent;
}

const std::string& boot_id() {
  // Never destroyed: caches and locks of static life may still need it at exit.
  static const auto* const id = new std::string([] {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string text;
    file >> text;
    std::erase(text, '-');
    if (text.empty() && !descriptors_left()) {
      throw IoError("cannot tell which boot this is: too many open files; raise the limit or close some");
    }
    return text;
  }());
  return *id;
}

std::uint64_t pid_namespace() noexcept {
  struct stat info {};
  return ::stat("/proc/self/ns/pid", &info) == 0 ? static_cast<std::uint64_t>(info.st_ino) : 0;
}

std::optional<std::uint64_t> start_time(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  // The second field is the command in parentheses and may hold anything, so count from the last ')'.
  std::size_t at = text.rfind(')');
  if (at == std::string::npos) return std::nullopt;
  constexpr int kFieldsFromCommandToStart = 20;
  for (int field = 0; field < kFieldsFromCommandToStart && at != std::string::npos; ++field) {
    at = text.find(' ', at + 1);
  }
  if (at == std::string::npos) return std::nullopt;
  std::uint64_t ticks = 0;
  const char* first = text.data() + at + 1;
  if (std::from_chars(first, text.data() + text.size(), ticks).ec != std::errc{}) return std::nullopt;
  return ticks;
}

bool is_gone(std::int64_t pid) noexcept { return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH; }

std::string command_name(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm", std::ios::binary);
  // A process may give itself a name with line ends in it; the kernel adds the last one.
  std::string name((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (name.ends_with('\n')) name.pop_back();
  return name;
}

void random_bytes(std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::getrandom(out.data() + done, out.size() - done, 0);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      throw IoError("the system's random source failed: " + std::system_category().message(errno));
    }
  }
}

std::string random_id() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::byte, 16> bytes{};
  random_bytes(bytes);
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<std::size_t>(byte >> 4)];
    text += kDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

bool descriptors_left() noexcept {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno != EMFILE && errno != ENFILE;
  ::close(fd);
  return true;
}

bool file_size_is_limited() noexcept {
  struct rlimit limit {};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

std::uint32_t effective_user() noexcept { return ::geteuid(); }

}  // namespace dcache::platform
