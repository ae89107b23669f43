// SPDX-License-Identifier: Apache-2.0
//
// SIGKILL of readers, writers and those who have permits, at random moments.
#include <functional>

#include "dcache/rw_lock.hpp"
#include "dcache/semaphore.hpp"
#include "storm/crowd.hpp"
#include "support/check.hpp"
#include "support/outcome.hpp"

namespace {

/// Kills and replaces processes that share "k"; then `take_all` must get all of it.
void check_sharing(const OneCache& one, const std::string& kind, const std::function<bool()>& take_all) {
  CAPTURE(kind);
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr std::size_t kProcesses = 5;
  const int kills = rounds(60);
  REQUIRE(static_cast<std::size_t>(kills) + kProcesses < kMembers);
  Crowd crowd(one, [&](const std::string& member, const std::string& arena) {
    return std::vector<std::string>{"share", one.path(), "k", kind, arena, member, std::to_string(seed)};
  });
  Arena& arena = crowd.arena();
  for (std::size_t i = 0; i < kProcesses; ++i) crowd.add();
  REQUIRE(eventually([&] { return arena.grants > 20 || arena.overlaps > 0; }, 30s));
  int inside = 0;
  const std::vector<double> gaps = crowd.kill_at_random(
      kills, random, [&](std::uint32_t member) { inside += arena.killed_inside(member) ? 1 : 0; });
  crowd.stop();
  CHECK(arena.overlaps == 0);
  CHECK(arena.backwards == 0);
  CHECK(arena.together > 0);
  CHECK((inside == 0 || arena.told > 0));
  const Stopwatch ended;
  CHECK(take_all());
  CHECK(ended.milliseconds() < 10'000);
  CHECK(one.cache.stats().locks == 0);
  REQUIRE_FALSE(gaps.empty());
  MESSAGE(kind << ": " << gaps.size() << " kills, " << inside << " of them inside, " << arena.told.load()
               << " told of a death, " << arena.grants.load() << " visits, " << arena.together.load()
               << " times together; from a kill to the end of the next visit: " << gaps.at(gaps.size() / 2)
               << " ms in the middle, " << gaps.back() << " ms at most; seed " << seed);
}

}  // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(OneCache, "killed readers and writers leave no writer beside anybody, and nothing behind") {
  check_sharing(*this, "readers", [&] {
    SyncRWLock lock(cache, "k", {.fair = true});
    return lock.try_lock_for(10s) && lock.release() == Release::released;
  });
}

TEST_CASE_FIXTURE(OneCache, "permits of killed processes come back, and never more are out than there are") {
  check_sharing(*this, "permits", [&] {
    Semaphore semaphore(cache, "k", 5, {.fair = true});
    return semaphore.try_acquire_for(10s, 5) && semaphore.release(5) == Release::released;
  });
}

TEST_SUITE_END();
