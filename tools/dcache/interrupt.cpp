// SPDX-License-Identifier: Apache-2.0
#include "interrupt.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "errors.hpp"

namespace dcache::cli {

namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

// What a handler may touch must be global.
volatile std::sig_atomic_t noted = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

sigset_t all_of_them() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  return set;
}

}  // namespace

Interruptible::Interruptible() noexcept {
  for (const int signal : kSignals) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_IGN) continue;
    struct sigaction noting {};
    noting.sa_handler = [](int number) { noted = number; };
    noting.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(signal, &noting, nullptr);
  }
}

Interruptible::~Interruptible() {
  for (const int signal : kSignals) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) std::signal(signal, SIG_DFL);
  }
}

void Interruptible::check() {
  if (noted != 0) throw Interrupted(noted);
}

std::size_t Interruptible::read(int fd, std::span<char> room, const std::string& what) {
  // A signal between the look and the waiting must not be missed.
  const sigset_t ours = all_of_them();
  for (;;) {
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &ours, &before);
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    if (noted == 0) ::ppoll(&ready, 1, nullptr, &before);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    check();
    const ssize_t count = ::read(fd, room.data(), room.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EINTR || errno == EAGAIN) continue;
    const int error = errno;
    throw Failure(kIo, "cannot read " + what + ": " + errno_text(error));
  }
}

void die_of(int signal) noexcept {
  std::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  std::raise(signal);
  ::_exit(kSignalBase + signal);
}

}  // namespace dcache::cli
