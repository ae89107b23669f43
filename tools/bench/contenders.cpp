// SPDX-License-Identifier: Apache-2.0
#include "contenders.hpp"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "dcache/dcache.hpp"
#include "raw.hpp"

namespace bench {

namespace {

using std::chrono::steady_clock;

/// The shared memory; only its starter makes it, zeroed.
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

class Contender {
 public:
  Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;
  virtual ~Contender() = default;
  virtual void lock() = 0;
  virtual void unlock() = 0;
};

class CacheContender final : public Contender {
 public:
  explicit CacheContender(const std::filesystem::path& directory) : cache_(directory / "cache") {}
  void lock() override { lock_.lock(); }
  void unlock() override { lock_.unlock(); }

 private:
  dcache::Cache cache_;
  dcache::SyncLock lock_{cache_, "report", {.timeout = dcache::forever}};
};

class FlockContender final : public Contender {
 public:
  explicit FlockContender(const std::filesystem::path& directory)
      : fd_(::open((directory / "flock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  ~FlockContender() override { ::close(fd_); }
  void lock() override { check(::flock(fd_, LOCK_EX)); }
  void unlock() override { check(::flock(fd_, LOCK_UN)); }

 private:
  static void check(int result) {
    if (result != 0) throw std::runtime_error("flock failed");
  }
  int fd_;
};

/// The least that SQLite can do: a row is the lock; whoever is not first tries again at once.
class SqliteContender final : public Contender {
 public:
  explicit SqliteContender(const std::filesystem::path& directory) : database_(directory / "spin.db") {
    const auto again = [](void*, int) -> int { return ::sched_yield() == 0 ? 1 : 0; };
    sqlite3_busy_handler(database_.handle(), again, nullptr);
    database_.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF");
    database_.run("CREATE TABLE IF NOT EXISTS locks(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
    add_ = std::make_unique<raw::Statement>(database_,
                                            "INSERT INTO locks VALUES(?1, ?2) ON CONFLICT DO NOTHING");
    erase_ = std::make_unique<raw::Statement>(database_, "DELETE FROM locks WHERE key = ?1");
  }
  void lock() override {
    for (;;) {
      add_->bind(1, "report").bind(2, value_).run();
      if (database_.changed()) return;
      ::sched_yield();
    }
  }
  void unlock() override { erase_->bind(1, "report").run(); }

 private:
  raw::Database database_;
  const std::string value_ = std::string(128, 'x');
  std::unique_ptr<raw::Statement> add_;
  std::unique_ptr<raw::Statement> erase_;
};

std::unique_ptr<Contender> make_contender(Kind kind, const std::filesystem::path& directory) {
  switch (kind) {
    case Kind::flock:
      return std::make_unique<FlockContender>(directory);
    case Kind::sqlite:
      return std::make_unique<SqliteContender>(directory);
    default:
      return std::make_unique<CacheContender>(directory);
  }
}

void await(const std::atomic<std::uint32_t>& word, std::uint32_t at_least) {
  while (word.load() < at_least) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

void contend(Contender& contender, Fight& fight, Tally& tally, steady_clock::duration hold) {
  while (fight.stop.load(std::memory_order_relaxed) == 0) {
    const auto asked = steady_clock::now();
    contender.lock();
    const auto granted = steady_clock::now();
    const std::uint64_t seen = fight.guarded;
    while (hold.count() > 0 && steady_clock::now() - granted < hold) {
    }
    fight.guarded = seen + 1;
    contender.unlock();
    ++tally.grants;
    tally.longest_ns = std::max(tally.longest_ns, static_cast<std::uint64_t>((granted - asked).count()));
  }
}

}  // namespace

const char* name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::dcache:
      return "SyncLock";
    case Kind::flock:
      return "flock(2)";
    case Kind::sqlite:
      return "SQLite spin";
    case Kind::keep:
      break;
  }
  return "keep";
}

int work_for_team(Arguments& arguments) {
  const auto kind = static_cast<Kind>(arguments.numbers("--worker", {0}).front());
  const std::filesystem::path directory = arguments.text("--dir").value();
  const std::size_t slot = arguments.numbers("--slot", {0}).front();
  const std::chrono::microseconds hold(arguments.numbers("--hold", {0}).front());
  Fight& fight = *map_fight(directory, false);
  const std::unique_ptr<Contender> contender = make_contender(kind, directory);
  ++fight.ready;
  if (kind == Kind::keep) {
    await(fight.stop, 1);
    return 0;
  }
  await(fight.go, 1);
  contend(*contender, fight, fight.tallies.at(slot), hold);
  return 0;
}

Team::Team(const std::filesystem::path& directory, Kind kind, std::size_t workers, std::uint64_t hold_us)
    : fight_(map_fight(directory, true)), workers_(std::min(workers, kMostWorkers)) {
  const std::string number = std::to_string(static_cast<int>(kind));
  const std::string hold = std::to_string(hold_us);
  for (std::size_t i = 0; i < workers_; ++i) {
    std::vector<std::string> words{"bench",  "--worker",        number,   "--dir", directory.native(),
                                   "--slot", std::to_string(i), "--hold", hold};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (::posix_spawn(&pids_.at(i), "/proc/self/exe", nullptr, nullptr, argv.data(), environ) != 0) {
      workers_ = i;
      end();
      throw std::runtime_error("cannot start a worker");
    }
    // One after the other: the first one makes the files.
    for (Stopwatch watch; fight_->ready.load() <= i;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (watch.seconds() < 10) continue;
      workers_ = i + 1;
      end();
      throw std::runtime_error("a worker did not get ready");
    }
  }
}

Team::~Team() {
  end();
  ::munmap(fight_, sizeof(Fight));
}

const Fight& Team::fight(double seconds) {
  fight_->go = 1;
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  if (!end()) throw std::runtime_error("a worker failed");
  std::uint64_t grants = 0;
  for (const Tally& tally : fight_->tallies) grants += tally.grants;
  if (grants != fight_->guarded) throw std::runtime_error("two held the lock at once");
  return *fight_;
}

bool Team::end() noexcept {
  fight_->stop = 1;
  fight_->go = 1;
  bool all_well = true;
  for (std::size_t i = 0; i < workers_; ++i) {
    int status = 0;
    ::waitpid(pids_.at(i), &status, 0);
    all_well = all_well && status == 0;
  }
  workers_ = 0;
  return all_well;
}

}  // namespace bench
