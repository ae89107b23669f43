// SPDX-License-Identifier: Apache-2.0
//
// SIGKILL of whoever holds or waits, at random moments.
#include <random>

#include "dcache/lock.hpp"
#include "storm/crowd.hpp"
#include "support/check.hpp"
#include "support/outcome.hpp"

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(
    OneCache, "killed holders and waiters let nobody in beside another, hold nobody up and leave nothing") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr std::size_t kProcesses = 6;
  const int kills = rounds(200);
  REQUIRE(static_cast<std::size_t>(kills) + kProcesses < kMembers);
  // They hold it for up to 3 ms at a time.
  Crowd crowd(*this, [&](const std::string& member, const std::string& arena) {
    return std::vector<std::string>{"storm", path(), "k", "mixed", arena,
                                    member,  "1",    "0", "3000",  std::to_string(seed)};
  });
  Arena& arena = crowd.arena();
  for (std::size_t i = 0; i < kProcesses; ++i) crowd.add();
  REQUIRE(eventually([&] { return arena.grants > 20; }, 30s));

  const std::vector<double> gaps = crowd.kill_at_random(kills, random);
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
  MESSAGE(gaps.size() << " kills, " << arena.grants.load()
                      << " grants; from a kill to the end of the next visit: " << gaps.at(gaps.size() / 2)
                      << " ms in the middle, " << gaps.back() << " ms at most; seed " << seed);
}

TEST_SUITE_END();
