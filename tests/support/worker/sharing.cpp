// SPDX-License-Identifier: Apache-2.0
//
// Many who share a lock or take permits, and notice when too many are inside.
#include <unistd.h>

#include <future>
#include <memory>
#include <random>
#include <thread>

#include "dcache/dcache.hpp"
#include "support/arena.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

constexpr auto kSharingPatience = std::chrono::minutes(1);

/// A thread that comes and goes.
class Guest {
 public:
  Guest(Arena& arena, std::uint32_t member, std::uint32_t thread, std::uint64_t seed)
      : arena_(arena),
        member_(member),
        thread_(thread),
        random_(seed * 100'000 + member * kSharers + thread) {}
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  virtual ~Guest() = default;

  void visit() {
    stay();
    ++arena_.granted.at(member_);
    ++arena_.grants;
  }

 protected:
  virtual void stay() = 0;

  bool one_in(std::uint64_t number) { return random_() % number == 0; }
  std::uint64_t up_to(std::uint64_t most) { return 1 + random_() % most; }

  /// Asks for a grant; `get` says whether it was had.
  template <class F>
  bool enter(LockHandle& lock, std::uint64_t weight, F&& get) {
    const std::uint64_t newest = arena_.newest;
    if (!get()) return false;
    arena_.note_grant(newest, lock.fence(), lock.previous_owner_died());
    weigh(weight);
    rest();
    return true;
  }
  void weigh(std::uint64_t weight) { arena_.weigh(member_, thread_, weight, capacity_); }
  void rest() { std::this_thread::sleep_for(std::chrono::microseconds(random_() % 2000)); }

  std::uint64_t capacity_ = 0;

 private:
  Arena& arena_;
  const std::uint32_t member_;
  const std::uint32_t thread_;
  std::mt19937_64 random_;
};

/// Reads or writes: as first come, first served or not, and as one that knows of writers alone.
class Reader final : public Guest {
 public:
  Reader(Cache& cache, const std::string& key, Arena& arena, std::uint32_t member, std::uint32_t thread,
         std::uint64_t seed)
      : Guest(arena, member, thread, seed),
        locks_{SyncRWLock(cache, key, {.timeout = kSharingPatience}),
               SyncRWLock(cache, key, {.timeout = kSharingPatience, .fair = true})},
        plain_(cache, key, {.timeout = kSharingPatience}) {
    capacity_ = kAll;
  }

 private:
  static constexpr std::uint64_t kAll = 1000;

  void stay() override {
    if (one_in(8)) return write(plain_);
    SyncRWLock& lock = locks_[one_in(2) ? 0 : 1];
    if (one_in(3)) return write(lock, one_in(2));
    enter(lock, 1, [&] { return lock.lock_shared(), true; });
    if (one_in(4) && enter(lock, kAll, [&] { return lock.try_upgrade_for(std::chrono::milliseconds(20)); }) &&
        one_in(2)) {
      downgrade(lock);
    }
    weigh(0);
    lock.unlock();
  }

  template <class Lock>
  void write(Lock& lock, bool read_on = false) {
    enter(lock, kAll, [&] { return lock.lock(), true; });
    if constexpr (std::is_same_v<Lock, SyncRWLock>) {
      if (read_on) downgrade(lock);
    }
    weigh(0);
    lock.unlock();
  }

  void downgrade(SyncRWLock& lock) {
    weigh(1);
    lock.downgrade();
    rest();
  }

  SyncRWLock locks_[2];
  SyncLock plain_;
};

class Taker final : public Guest {
 public:
  Taker(Cache& cache, const std::string& key, Arena& arena, std::uint32_t member, std::uint32_t thread,
        std::uint64_t seed)
      : Guest(arena, member, thread, seed),
        semaphores_{Semaphore(cache, key, kPermits, {.timeout = kSharingPatience}),
                    Semaphore(cache, key, kPermits, {.timeout = kSharingPatience, .fair = true})} {
    capacity_ = kPermits;
  }

 private:
  static constexpr std::ptrdiff_t kPermits = 5;

  void stay() override {
    Semaphore& semaphore = semaphores_[one_in(2) ? 0 : 1];
    auto has = static_cast<std::ptrdiff_t>(up_to(kPermits));
    const auto weigh_all = [&] { weigh(static_cast<std::uint64_t>(has)); };
    enter(semaphore, static_cast<std::uint64_t>(has), [&] { return semaphore.acquire(has), true; });
    if (one_in(4) && semaphore.try_acquire(1)) {
      ++has;
      weigh_all();
      rest();
    }
    while (has > 0) {
      const auto back = static_cast<std::ptrdiff_t>(up_to(static_cast<std::uint64_t>(has)));
      has -= back;
      weigh_all();
      if (semaphore.release(back) != Release::released) throw Error("permits were lost");
    }
  }

  Semaphore semaphores_[2];
};

}  // namespace

int share_mode(const Arguments& arguments) {
  const std::string& key = arguments.at(1);
  const bool permits = arguments.at(2) == "permits";
  MappedArena arena(arguments.at(3));
  const auto member = static_cast<std::uint32_t>(std::stoul(arguments.at(4)));
  const std::uint64_t seed = std::stoull(arguments.at(5));
  Cache cache(arguments.at(0));
  const pid_t parent = ::getppid();
  std::vector<std::future<void>> threads;
  for (std::uint32_t thread = 0; thread < kSharers; ++thread) {
    threads.push_back(std::async(std::launch::async, [&, thread] {
      std::unique_ptr<Guest> guest;
      if (permits) {
        guest = std::make_unique<Taker>(cache, key, *arena, member, thread, seed);
      } else {
        guest = std::make_unique<Reader>(cache, key, *arena, member, thread, seed);
      }
      while (!arena->stop && ::getppid() == parent) guest->visit();
    }));
  }
  for (std::future<void>& thread : threads) thread.get();
  tell("done");
  return 0;
}

}  // namespace dcache::test
