// SPDX-License-Identifier: Apache-2.0
//
// SIGKILL of whoever holds or waits, at random moments.
#include <algorithm>
#include <memory>
#include <random>

#include "dcache/lock.hpp"
#include "support/arena.hpp"
#include "support/check.hpp"
#include "support/outcome.hpp"
#include "support/worker.hpp"

namespace {

using Clock = std::chrono::steady_clock;

/// Processes that hold a lock for up to 3 ms at a time, again and again.
class Crowd {
 public:
  Crowd(const OneCache& one, std::uint64_t seed) : one_(one), arena_(one.dir / "arena"), seed_(seed) {}

  Arena& arena() { return *arena_; }

  void add() {
    workers_.push_back({next_, std::make_unique<Worker>(std::vector<std::string>{
                                   "storm", one_.path(), "k", "mixed", one_.dir / "arena",
                                   std::to_string(next_), "1", "0", "3000", std::to_string(seed_)})});
    ++next_;
  }

  void kill(std::size_t which) {
    Member& member = workers_.at(which);
    member.worker->kill();
    arena_->killed.at(member.number) = true;
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  /// Lets them come to an end by themselves.
  void stop() {
    arena_->stop = true;
    for (const Member& member : workers_) {
      CHECK(member.worker->try_line(30s) == "done");
      CHECK(member.worker->wait() == 0);
    }
    workers_.clear();
  }

 private:
  struct Member {
    std::size_t number;
    std::unique_ptr<Worker> worker;
  };
  const OneCache& one_;
  MappedArena arena_;
  const std::uint64_t seed_;
  std::size_t next_ = 0;
  std::vector<Member> workers_;
};

}  // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(
    OneCache, "killed holders and waiters let nobody in beside another, hold nobody up and leave nothing") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr std::size_t kProcesses = 6;
  const int kills = rounds(200);
  REQUIRE(static_cast<std::size_t>(kills) + kProcesses < kMembers);
  Crowd crowd(*this, seed);
  Arena& arena = crowd.arena();
  for (std::size_t i = 0; i < kProcesses; ++i) crowd.add();
  REQUIRE(eventually([&] { return arena.grants > 20; }, 30s));

  std::vector<double> gaps;  // milliseconds from a kill to the next visit that comes to its end
  for (int round = 0; round < kills && !failed_so_far(); ++round) {
    CAPTURE(round);
    std::this_thread::sleep_for(std::chrono::microseconds(100 + random() % 49'900));
    crowd.kill(random() % kProcesses);
    const auto killed = Clock::now();
    const std::uint64_t before = arena.grants;
    CHECK(eventually([&] { return arena.grants > before; }, 10s));
    gaps.push_back(std::chrono::duration<double, std::milli>(Clock::now() - killed).count());
    crowd.add();
  }
  crowd.stop();
  CHECK(arena.overlaps == 0);
  CHECK(arena.backwards == 0);
  CHECK(arena.untold == 0);

  // One more use clears away what the last of the killed have left.
  SyncLock lock(cache, "k", {.fair = true});
  CHECK(lock.try_lock_for(10s));
  CHECK(lock.release() == Release::released);
  for (const LockInfo& info : locks(cache)) {
    FAIL_CHECK(info.key << " has " << info.holders.size() << " holders and " << info.waiters.size()
                        << " waiters");
  }
  CHECK(cache.stats().locks == 0);
  std::sort(gaps.begin(), gaps.end());
  MESSAGE(gaps.size() << " kills, " << arena.grants.load()
                      << " grants; from a kill to the end of the next visit: " << gaps.at(gaps.size() / 2)
                      << " ms in the middle, " << gaps.back() << " ms at most; seed " << seed);
}

TEST_SUITE_END();
