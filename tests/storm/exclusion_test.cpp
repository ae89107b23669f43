// SPDX-License-Identifier: Apache-2.0
//
// Many processes that want one lock: never two at once, and nothing is left behind.
#include <memory>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "dcache/store.hpp"
#include "support/arena.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

namespace {

struct Group {
  std::string kind;
  int processes;
  int threads;  ///< in each process
  int total;    ///< grants, of all
};

void check_exclusion(const OneCache& one, const Group& crowd) {
  CAPTURE(crowd.kind);
  const std::filesystem::path file = one.dir / ("arena-" + crowd.kind + std::to_string(crowd.threads));
  MappedArena arena(file);
  const int each = crowd.total / (crowd.processes * crowd.threads);
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Worker>> workers;
  for (int member = 0; member < crowd.processes; ++member) {
    workers.push_back(std::make_unique<Worker>(
        std::vector<std::string>{"storm", one.path(), "k", crowd.kind, file, std::to_string(member),
                                 std::to_string(crowd.threads), std::to_string(each), "0", "1"}));
  }
  for (const auto& worker : workers) {
    CHECK(worker->rest() == std::vector<std::string>{"done"});
    CHECK(worker->wait() == 0);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto total = static_cast<std::uint64_t>(each * crowd.processes * crowd.threads);
  CHECK(arena->overlaps == 0);
  CHECK(arena->backwards == 0);
  CHECK(arena->untold == 0);
  CHECK(arena->counter == total);
  CHECK(arena->grants == total);
  CHECK(arena->inside == 0);
  CHECK(one.cache.stats().locks == 0);
  MESSAGE(crowd.kind << ": " << crowd.processes << " processes of " << crowd.threads << " threads, " << total
                     << " grants, " << static_cast<int>(static_cast<double>(total) / seconds) << " a second");
}

/// Eight processes on two cores are slow: who holds the lock is often the one that has none.
int at_night(int night, int day) { return rounds(1) > 1 ? rounds(night) : rounds(day); }

}  // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(OneCache,
                  "eight processes are never in the same lock at once, and every fence is above the last") {
  check_exclusion(*this, {"lock", 8, 1, at_night(60'000, 20'000)});
}

TEST_CASE_FIXTURE(OneCache,
                  "eight processes are never in the same re-entrant lock at once, two levels deep") {
  check_exclusion(*this, {"rlock", 8, 1, at_night(30'000, 10'000)});
}

TEST_CASE_FIXTURE(OneCache, "threads of several processes are never in the same lock at once") {
  check_exclusion(*this, {"lock", 4, 4, rounds(16'000)});
  check_exclusion(*this, {"rlock", 2, 4, rounds(8'000)});
}

TEST_CASE_FIXTURE(OneCache, "first come, first served keeps processes and threads apart just the same") {
  check_exclusion(*this, {"fair", 8, 1, rounds(2'000)});
  check_exclusion(*this, {"fair", 2, 4, rounds(1'000)});
}

TEST_CASE_FIXTURE(OneCache, "who overtakes and who is never overtaken are apart in the same lock") {
  check_exclusion(*this, {"mixed", 8, 1, rounds(4'000)});
}

TEST_CASE_FIXTURE(OneCache, "each of four processes that never let a lock rest gets it again and again") {
  if (!cache.state()->store().wake_word(1)) {
    MESSAGE("skipped: nothing wakes a waiter here, so that others may overtake it for ever");
    return;
  }
  constexpr std::size_t kProcesses = 4;
  for (const std::string kind : {"lock", "rlock", "mixed"}) {
    CAPTURE(kind);
    MappedArena arena(dir / kind);
    std::vector<std::unique_ptr<Worker>> workers;
    for (std::size_t member = 0; member < kProcesses; ++member) {
      workers.push_back(std::make_unique<Worker>(std::vector<std::string>{
          "storm", path(), kind, kind, dir / kind, std::to_string(member), "1", "0", "2000", "1"}));
    }
    for (std::size_t member = 0; member < kProcesses; ++member) {
      CHECK(eventually([&] { return arena->granted.at(member) >= 20; }, 30s));
    }
    arena->stop = true;
    for (const auto& worker : workers) CHECK(worker->try_line(30s) == "done");
    CHECK(arena->overlaps == 0);
  }
}

TEST_SUITE_END();
