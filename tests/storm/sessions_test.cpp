// SPDX-License-Identifier: Apache-2.0
//
// Hundreds of processes that use one cache at the same time.
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <set>

#include "dcache/lock.hpp"
#include "locks/record.hpp"
#include "support/arena.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

namespace {

/// Each worker takes two of this process's descriptors.
int as_many_as_allowed(int wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return std::min(wanted, static_cast<int>(limit.rlim_cur / 2) - 50);
}

/// Threads of several processes that all wait for one lock before the first of them gets it.
void check_queue(const OneCache& one, const std::string& kind, int processes, int threads) {
  CAPTURE(kind);
  const int number = processes * threads;
  const std::filesystem::path file = one.dir / ("arena-" + kind + std::to_string(number));
  MappedArena arena(file);
  Cache cache(one.path());
  SyncLock lock(cache, "k");
  lock.lock();
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Worker>> workers;
  for (int member = 0; member < processes; ++member) {
    workers.push_back(std::make_unique<Worker>(
        std::vector<std::string>{"storm", one.path(), "k", kind, file, std::to_string(member),
                                 std::to_string(threads), "1", "0", "1"}));
  }
  const auto waiters = [&] { return locks(cache).at(0).waiters.size(); };
  // By default the threads of a process stand in one place. Those without a place wait beside the queue until
  // there is one.
  const auto wanted = static_cast<std::size_t>(kind == "fair" ? number : processes);
  const std::size_t places = std::min(wanted, locking::kMostWaiters);
  CHECK(eventually([&] { return waiters() == places; }, 60s));
  const auto queued = std::chrono::steady_clock::now();
  CHECK(arena->grants == 0);
  CHECK(lock.release() == Release::released);
  for (const auto& worker : workers) {
    CHECK(worker->try_line(300s) == "done");
    CHECK(worker->wait() == 0);
  }
  const auto end = std::chrono::steady_clock::now();
  CHECK(arena->overlaps == 0);
  CHECK(arena->backwards == 0);
  CHECK(arena->counter == static_cast<std::uint64_t>(number));
  CHECK(cache.stats().locks == 0);
  const auto ms = [](auto duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  };
  MESSAGE(kind << ": " << number << " threads: the queue was full after " << ms(queued - start)
               << " ms, all had the lock after " << ms(end - queued) << " ms more");
}

}  // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(
    OneCache, "everybody of a crowd holds a lock of its own, all are listed, and all get the shared one") {
  const int wanted = std::min(rounds(150), 1000);
  const int number = as_many_as_allowed(wanted);
  SyncLock shared(cache, "shared");
  shared.lock();
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < number; ++i) {
    workers.push_back(
        std::make_unique<Worker>(std::vector<std::string>{"session", path(), std::to_string(i)}));
  }
  // Where nothing wakes them, hundreds that poll leave little of a machine.
  constexpr auto kPatience = std::chrono::minutes(5);
  for (const auto& worker : workers) REQUIRE(worker->line(kPatience) == "own");
  const auto began = std::chrono::steady_clock::now();
  const auto check_own = [&] {
    const std::vector<LockInfo> own = locks(cache, {.prefix = "own:"});
    CHECK(own.size() == workers.size());
    std::set<std::int64_t> pids;
    for (const LockInfo& info : own) {
      REQUIRE(info.holders.size() == 1);
      CHECK(info.holders[0].state == Liveness::alive);
      pids.insert(info.holders[0].pid);
    }
    CHECK(pids.size() == workers.size());
  };
  check_own();
  const auto listed = std::chrono::steady_clock::now();
  shared.unlock();
  std::set<std::uint64_t> fences;
  for (const auto& worker : workers) {
    const std::string line = worker->line(kPatience);
    CAPTURE(line);
    REQUIRE(line.starts_with("shared "));
    fences.insert(std::stoull(line.substr(7)));
  }
  CHECK(fences.size() == workers.size());
  const auto end = std::chrono::steady_clock::now();
  check_own();
  const auto ms = [](auto duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  };
  MESSAGE(number << " processes: started in " << ms(began - start) << " ms, listed in " << ms(listed - began)
                 << " ms, all had the shared lock in " << ms(end - listed) << " ms");
  // Half of them go as they should, the others are killed.
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (i % 2 == 0) {
      CHECK(workers[i]->wait() == 0);
    } else {
      workers[i]->kill();
    }
  }
  const std::vector<LockInfo> left = locks(cache);
  CHECK(left.size() == workers.size() / 2);
  for (const LockInfo& info : left) CHECK(info.holders.at(0).state == Liveness::dead);
  for (const LockInfo& info : left) CHECK(clear_lock(cache, info.key) == Cleared::cleared);
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(OneCache,
                  "many threads of several processes stand in one queue, and all of them get the lock") {
  check_queue(*this, "fair", 4, std::min(75, rounds(75)));
  if (rounds(1) == 1) return;
  check_queue(*this, "fair", 4, 150);
  check_queue(*this, "lock", 10, 1000);
  check_queue(*this, "fair", 10, 1000);
}

TEST_SUITE_END();
