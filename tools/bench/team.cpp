// SPDX-License-Identifier: Apache-2.0
#include "team.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

namespace bench {

namespace {

/// A worker that needs longer than this to get ready, or to end after `stop`, hangs.
constexpr int kPatienceSeconds = 20;

/// One that comes first to a lock that is held for microseconds has it hundreds of times before the next
/// comes.
constexpr std::chrono::duration<std::uint64_t, std::nano> kWarmUp{200'000'000};

Fight* map_fight(const std::filesystem::path& directory, bool create) {
  const std::filesystem::path path = directory / "fight";
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_TRUNC : 0), 0600);
  if (fd < 0 || (create && ::ftruncate(fd, sizeof(Fight)) != 0)) {
    throw std::runtime_error("cannot make " + path.native());
  }
  void* memory = ::mmap(nullptr, sizeof(Fight), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map " + path.native());
  return create ? new (memory) Fight{} : std::launder(static_cast<Fight*>(memory));
}

const char* name_of(Role role) noexcept {
  switch (role) {
    case Role::hold:
      return "holder";
    case Role::wait:
      return "waiter";
    default:
      return "worker";
  }
}

void await(const std::atomic<std::uint32_t>& word) {
  while (word.load() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void contend(Contender& contender, Fight& fight, Tally& tally, std::uint64_t hold_ns) {
  while (fight.stop.load(std::memory_order_relaxed) == 0) {
    const std::uint64_t asked = now_ns();
    contender.lock();
    const std::uint64_t granted = now_ns();
    const std::uint64_t seen = fight.guarded;
    while (hold_ns > 0 && now_ns() - granted < hold_ns) {
    }
    fight.guarded = seen + 1;
    contender.unlock();
    if (granted < fight.begin_ns) {
      ++tally.early;
      continue;
    }
    ++tally.grants;
    tally.longest_ns = std::max(tally.longest_ns, granted - asked);
  }
  tally.end_ns = now_ns();
}

/// What the thread has run, which is less than the time that passed where there are more than processors.
std::uint64_t thread_ns() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

void write(Contender& contender, Fight& fight, Tally& tally, std::uint64_t work_ns) {
  while (fight.stop.load(std::memory_order_relaxed) == 0) {
    const std::uint64_t begin = now_ns();
    contender.lock();
    if (work_ns > 0) {
      const std::uint64_t started = thread_ns();
      while (thread_ns() - started < work_ns) {
      }
    }
    contender.unlock();
    const std::uint64_t took = now_ns() - begin;
    if (begin < fight.begin_ns) continue;
    ++tally.grants;
    tally.longest_ns = std::max(tally.longest_ns, took);
    fight.times.at(bucket_of(took)).fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

int work_for_team(Arguments& arguments) {
  const auto role = static_cast<Role>(arguments.numbers("--worker", {0}).front());
  const auto kind = static_cast<Kind>(arguments.numbers("--kind", {0}).front());
  const std::filesystem::path directory = arguments.text("--dir").value();
  const std::size_t slot = arguments.numbers("--slot", {0}).front();
  const std::uint64_t hold_us = arguments.numbers("--hold", {0}).front();
  const auto starter = static_cast<pid_t>(arguments.numbers("--starter", {0}).front());
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != starter) return 1;

  Fight& fight = *map_fight(directory, false);
  const std::unique_ptr<Contender> contender = make_contender(kind, directory, fight.mutex);
  if (role == Role::hold) contender->lock();
  ++fight.ready;
  switch (role) {
    case Role::fight:
      await(fight.go);
      contend(*contender, fight, fight.tallies.at(slot), hold_us * 1000);
      break;
    case Role::write:
      await(fight.go);
      write(*contender, fight, fight.tallies.at(slot), hold_us * 1000);
      break;
    case Role::keep:
      await(fight.stop);
      break;
    case Role::hold:
      for (;;) ::pause();
    case Role::wait:
      contender->lock();
      fight.granted_ns = now_ns();
      contender->unlock();
      break;
  }
  return 0;
}

Arena::Arena(const std::filesystem::path& directory) : fight_(map_fight(directory, true)) {
  make_robust(fight_->mutex);
}

Arena::~Arena() { ::munmap(fight_, sizeof(Fight)); }

Worker::Worker(const std::filesystem::path& directory, Fight& fight, const Task& task, std::uint32_t position)
    : name_(std::string(name_of(task.kind)) + ": " + name_of(task.role) + " " + std::to_string(position)) {
  std::vector<std::string> words{"bench",
                                 "--worker",
                                 std::to_string(static_cast<int>(task.role)),
                                 "--kind",
                                 std::to_string(static_cast<int>(task.kind)),
                                 "--dir",
                                 directory.native(),
                                 "--slot",
                                 std::to_string(task.slot),
                                 "--hold",
                                 std::to_string(task.hold_us),
                                 "--starter",
                                 std::to_string(::getpid())};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (::posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, argv.data(), environ) != 0) {
    pid_ = 0;
    throw std::runtime_error(name_ + " cannot be started");
  }
  try {
    wait_until([&] { return fight.ready.load() >= position || ended(); }, "does not get ready");
    if (fight.ready.load() < position) throw std::runtime_error(name_ + " failed before it was ready");
  } catch (...) {
    kill();
    throw;
  }
}

Worker::~Worker() { kill(); }

std::uint64_t Worker::kill() noexcept {
  if (ended()) return 0;
  const std::uint64_t killed = now_ns();
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
  pid_ = 0;
  return killed;
}

void Worker::join() {
  wait_until([&] { return ended(); }, "hangs");
  if (status_ != 0) throw std::runtime_error(name_ + " failed, wait status " + std::to_string(status_));
}

void Worker::wait_until(const std::function<bool()>& done, const std::string& what) {
  for (const Stopwatch watch; !done();) {
    if (watch.seconds() > kPatienceSeconds) {
      throw std::runtime_error(name_ + " " + what + ", killed after " + std::to_string(kPatienceSeconds) +
                               " s");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool Worker::ended() noexcept {
  if (pid_ != 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
  return pid_ == 0;
}

Team::Team(const std::filesystem::path& directory, Role role, Kind kind, std::size_t workers,
           std::uint64_t hold_us)
    : role_(role), kind_(kind), arena_(directory) {
  // One after the other: the first one makes the files.
  for (std::size_t i = 0; i < workers; ++i) {
    const Task task{.role = role, .kind = kind, .slot = i, .hold_us = hold_us};
    workers_.push_back(std::make_unique<Worker>(directory, *arena_, task, static_cast<std::uint32_t>(i + 1)));
  }
}

Team::~Team() {
  try {
    end();
  } catch (const std::exception&) {
    // somebody else's error is on its way
  }
}

const Fight& Team::fight(double seconds) {
  arena_->begin_ns = now_ns() + kWarmUp.count();
  arena_->go = 1;
  std::this_thread::sleep_for(kWarmUp + std::chrono::duration<double>(seconds));
  end();
  std::uint64_t grants = 0;
  for (const Tally& tally : arena_->tallies) grants += tally.early + tally.grants;
  if (role_ == Role::fight && grants != arena_->guarded) {
    throw std::runtime_error(std::string(name_of(kind_)) + ": two held the lock at once");
  }
  return *arena_;
}

void Team::end() {
  arena_->stop = 1;
  arena_->go = 1;
  const auto workers = std::move(workers_);  // when one throws the others are killed, not waited for
  workers_.clear();
  for (const auto& worker : workers) worker->join();
}

}  // namespace bench
