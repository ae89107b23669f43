// SPDX-License-Identifier: Apache-2.0
//
// Many who want the same lock, and notice when two have it at once.
#include <sched.h>
#include <unistd.h>

#include <array>
#include <future>
#include <memory>
#include <random>
#include <thread>

#include "dcache/dcache.hpp"
#include "support/arena.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

constexpr auto kPatience = std::chrono::minutes(5);

struct Plan {
  std::string directory;
  std::string key;
  std::string kind;  ///< lock, rlock, fair, or mixed: now a default lock, now a fair one
  std::string arena;
  std::uint32_t member = 0;
  std::uint32_t threads = 1;
  std::uint64_t times = 0;  ///< a thread; 0 = until told to stop
  std::uint64_t hold_us = 0;
  std::uint64_t seed = 0;
};

class Visitor {
 public:
  Visitor(Cache& cache, Arena& arena, const Plan& plan, std::uint32_t thread)
      : arena_(arena), plan_(plan), thread_(thread), random_(plan.seed * 1000 + plan.member * 64 + thread) {
    if (plan.kind == "rlock") {
      locks_[0] = std::make_unique<SyncRLock>(cache, plan.key, LockOptions{.timeout = kPatience});
      levels_ = 2;
    } else {
      const bool fair = plan.kind == "fair";
      locks_[0] =
          std::make_unique<SyncLock>(cache, plan.key, LockOptions{.timeout = kPatience, .fair = fair});
    }
    if (plan.kind == "mixed") {
      locks_[1] =
          std::make_unique<SyncLock>(cache, plan.key, LockOptions{.timeout = kPatience, .fair = true});
    }
  }

  void visit() {
    LockHandle& lock = *locks_[locks_[1] != nullptr ? random_() % 2 : 0];
    for (int i = 0; i < levels_; ++i) lock.lock();
    const std::uint64_t count = arena_.enter(plan_.member, thread_, lock.fence(), lock.previous_owner_died());
    if (plan_.hold_us > 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % plan_.hold_us));
    } else if (random_() % 16 == 0) {
      ::sched_yield();
    }
    arena_.leave(plan_.member, thread_, count);
    for (int i = 0; i < levels_; ++i) lock.unlock();
  }

 private:
  Arena& arena_;
  const Plan& plan_;
  const std::uint32_t thread_;
  std::mt19937_64 random_;
  std::array<std::unique_ptr<LockHandle>, 2> locks_;
  int levels_ = 1;
};

}  // namespace

int storm_mode(const Arguments& arguments) {
  const Plan plan{.directory = arguments.at(0),
                  .key = arguments.at(1),
                  .kind = arguments.at(2),
                  .arena = arguments.at(3),
                  .member = static_cast<std::uint32_t>(std::stoul(arguments.at(4))),
                  .threads = static_cast<std::uint32_t>(std::stoul(arguments.at(5))),
                  .times = std::stoull(arguments.at(6)),
                  .hold_us = std::stoull(arguments.at(7)),
                  .seed = std::stoull(arguments.at(8))};
  MappedArena arena(plan.arena);
  Cache cache(plan.directory);
  const pid_t parent = ::getppid();
  std::vector<std::future<void>> threads;
  for (std::uint32_t thread = 0; thread < plan.threads; ++thread) {
    threads.push_back(std::async(std::launch::async, [&, thread] {
      Visitor visitor(cache, *arena, plan, thread);
      for (std::uint64_t i = 0; plan.times == 0 || i < plan.times; ++i) {
        if (arena->stop || ::getppid() != parent) break;
        visitor.visit();
        if (arena->calm) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }));
  }
  for (std::future<void>& thread : threads) thread.get();
  tell("done");
  return 0;
}

int session_mode(const Arguments& arguments) {
  Cache cache(arguments.at(0));
  SyncLock own(cache, "own:" + arguments.at(1), {.timeout = kPatience});
  own.lock();
  tell("own");
  SyncLock shared(cache, "shared", {.timeout = kPatience});
  shared.lock();
  tell("shared " + std::to_string(shared.fence()));
  shared.unlock();
  hear();
  return 0;
}

int lease_mode(const Arguments& arguments) {
  Cache cache(arguments.at(0));
  MappedArena arena(arguments.at(1));
  SyncLock lock(cache, "k",
                {.timeout = kPatience, .lease = std::chrono::milliseconds(std::stoi(arguments.at(2)))});
  const pid_t parent = ::getppid();
  std::uint64_t refused = 0;
  std::uint64_t lost = 0;
  while (!arena->stop && ::getppid() == parent) {
    lock.lock();
    for (int i = 0; i < 4; ++i) {
      try {
        bool stale = false;
        cache.transact([&](Transaction& transaction) {
          const std::string before = transaction.get("report").value_or("0");
          transaction.set("report", std::to_string(lock.fence()), {.guard = lock});
          stale = std::stoull(before) > lock.fence();
        });
        if (stale) ++arena->backwards;
      } catch (const LockLost&) {
        ++refused;
      }
    }
    if (lock.release() == Release::lost) ++lost;
    ++arena->grants;
  }
  tell(std::to_string(refused) + ' ' + std::to_string(lost));
  return 0;
}

}  // namespace dcache::test
