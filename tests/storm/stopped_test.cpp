// SPDX-License-Identifier: Apache-2.0
//
// Processes that are stopped (SIGSTOP): waiters hold nobody up, holders whose lease ended do no harm.
#include <algorithm>
#include <csignal>
#include <memory>
#include <random>

#include "dcache/lock.hpp"
#include "support/arena.hpp"
#include "support/check.hpp"
#include "support/outcome.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace {

using Clock = std::chrono::steady_clock;

bool holds(const Cache& cache, pid_t pid) {
  for (const LockInfo& info : locks(cache)) {
    if (!info.holders.empty() && info.holders.front().pid == pid) return true;
  }
  return false;
}

/// A signal takes a moment: until then the process may begin a write or get the lock.
bool is_stopped(pid_t pid) { return has_state(std::to_string(pid), 'T'); }

/// Whether somebody was stopped in the middle of a write: then no other process can write.
bool store_is_stuck(Cache& cache) {
  try {
    cache.set("probe", "", {});
    return false;
  } catch (const Timeout&) {
    return true;
  }
}

}  // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(OneCache,
                  "a waiter that is stopped delays nobody for long, and gets the lock when it goes on") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Cache prober(path(), {.timeout = 1s});
  for (const std::string kind : {"lock", "fair", "mixed"}) {
    CAPTURE(kind);
    MappedArena arena(dir / ("arena-" + kind));
    std::vector<std::unique_ptr<Worker>> workers;
    for (int member = 0; member < 4; ++member) {
      workers.push_back(std::make_unique<Worker>(
          std::vector<std::string>{"storm", path(), kind, kind, dir / ("arena-" + kind),
                                   std::to_string(member), "1", "0", "2000", std::to_string(seed)}));
    }
    REQUIRE(eventually([&] { return arena->grants > 20; }, 30s));
    double longest = 0;
    int in_store = 0;
    int as_holder = 0;
    const int stops = rounds(10);
    for (int done = 0; done < stops && !failed_so_far();) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
      const std::size_t who = random() % workers.size();
      Worker& stopped = *workers[who];
      stopped.signal(SIGSTOP);
      REQUIRE(eventually([&] { return is_stopped(stopped.pid()); }));
      // Whoever has the lock or the database keeps it while it is stopped: that is another promise.
      const bool has_store = store_is_stuck(prober);
      const bool has_lock = !has_store && holds(cache, stopped.pid());
      if (has_store || has_lock) {
        (has_store ? in_store : as_holder) += 1;
        stopped.signal(SIGCONT);
        continue;
      }
      ++done;
      for (int i = 0; i < 20; ++i) {
        const std::uint64_t before = arena->grants;
        const auto start = Clock::now();
        CHECK(eventually([&] { return arena->grants > before; }, 5s));
        longest = std::max(longest, std::chrono::duration<double, std::milli>(Clock::now() - start).count());
      }
      const std::uint64_t own = arena->granted.at(who);
      // Only the fair are served in any crowd: where nothing wakes them, others may be overtaken for ever.
      arena->calm = kind != "fair";
      stopped.signal(SIGCONT);
      CHECK(eventually([&] { return arena->granted.at(who) > own; }, 30s));
      arena->calm = false;
    }
    arena->stop = true;
    for (const auto& worker : workers) CHECK(worker->try_line(30s) == "done");
    CHECK(arena->overlaps == 0);
    CHECK(arena->backwards == 0);
    MESSAGE(kind << ": longest wait of the others for a grant while one waiter was stopped: " << longest
                 << " ms in " << stops << " stops; stopped " << as_holder << " times as holder and "
                 << in_store << " times in the store; seed " << seed);
  }
}

TEST_CASE_FIXTURE(OneCache, "a release leaves who waits its place in the queue, however the lock was held") {
  SyncLock leased(cache, "k", {.lease = 1min});
  SyncRLock levels(cache, "k");
  const auto check = [&](LockHandle& lock, auto&& touch) {
    lock.lock();
    Worker waiter({"shell", path()});
    REQUIRE(waiter.line() == "ready");
    waiter.say("lock k fair");
    REQUIRE(eventually([&] { return !locks(cache).at(0).waiters.empty(); }));
    waiter.signal(SIGSTOP);
    touch();
    CHECK(lock.release() == Release::released);
    const std::vector<LockInfo> left = locks(cache);
    REQUIRE(left.size() == 1);
    CHECK(left[0].holders.empty());
    CHECK(left[0].waiters.size() == 1);
    waiter.signal(SIGCONT);
    CHECK(waiter.line().starts_with("held"));
    CHECK(waiter.ask("release k") == "released");
    CHECK(cache.stats().locks == 0);
  };
  check(leased, [] {});
  check(leased, [&] { leased.renew(); });
  check(levels, [&] {
    levels.lock();
    levels.unlock();
  });
}

TEST_CASE_FIXTURE(OneCache, "a holder that is stopped past its lease cannot write, and learns that it lost") {
  Worker first({"shell", path()});
  Worker second({"shell", path()});
  REQUIRE(first.line() == "ready");
  REQUIRE(second.line() == "ready");
  int accepted = 0;
  for (int round = 0; round < rounds(20) && !failed_so_far(); ++round) {
    CAPTURE(round);
    const std::string number = std::to_string(round);
    REQUIRE(first.ask("lock k 30").starts_with("held"));
    first.signal(SIGSTOP);
    const std::string got = second.ask("lock k");
    CHECK(got.starts_with("held"));
    CHECK(has(got, "died"));
    CHECK(second.ask("guarded k report " + number) == "ok");
    first.say("guarded k report stale");
    first.signal(SIGCONT);
    const std::string answer = first.line();
    if (answer == "ok") ++accepted;
    CHECK(answer.starts_with("LockLost: "));
    CHECK(first.ask("owned k") == "no");
    CHECK(first.ask("release k") == "lost");
    CHECK(first.ask("lost k") == "yes");
    CHECK(cache.get("report") == number);
    CHECK(second.ask("owned k") == "yes");
    CHECK(second.ask("release k") == "released");
  }
  CHECK(accepted == 0);
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(OneCache,
                  "writers under short leases, stopped at random, never write over a later one's work") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  MappedArena arena(dir / "arena");
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 3; ++i) {
    workers.push_back(
        std::make_unique<Worker>(std::vector<std::string>{"lease", path(), dir / "arena", "10"}));
  }
  REQUIRE(eventually([&] { return arena->grants > 5; }, 30s));
  for (int round = 0; round < rounds(40); ++round) {
    const Worker& stopped = *workers[random() % workers.size()];
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5'000));
    stopped.signal(SIGSTOP);
    std::this_thread::sleep_for(std::chrono::microseconds(5'000 + random() % 20'000));
    stopped.signal(SIGCONT);
  }
  arena->stop = true;
  std::uint64_t refused = 0;
  std::uint64_t lost = 0;
  for (const auto& worker : workers) {
    const std::string line = worker->line();
    refused += std::stoull(line);
    lost += std::stoull(line.substr(line.find(' ')));
  }
  CHECK(arena->backwards == 0);
  MESSAGE(arena->grants.load() << " grants, " << refused << " writes refused, " << lost
                               << " releases lost; seed " << seed);
}

TEST_SUITE_END();
