// SPDX-License-Identifier: Apache-2.0
//
// All interleavings of three or four agents on the real machine of locks: the lock excludes, fences grow, no
// live holder is replaced, no waiter is overtaken against the rules, and nobody sleeps for ever. At night the
// worlds are larger.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "machine/explorer.hpp"
#include "support/check.hpp"

using namespace dcache::locking;

namespace {

/// `night` in place of `day` in a nightly run.
std::size_t at_night(std::size_t night, std::size_t day) { return rounds(1) > 1 ? night : day; }
unsigned few_at_night(unsigned night, unsigned day) { return rounds(1) > 1 ? night : day; }

/// By day only the beginning of the larger worlds is explored.
void check_all(const std::vector<Setting>& settings) {
  for (Setting setting : settings) {
    setting.most = std::min(setting.most, at_night(60'000'000, static_cast<std::size_t>(rounds(200'000))));
    const Report report = explore(setting);
    MESSAGE(setting.name << ": " << report.states
                         << std::string(report.whole ? " states" : " states and more"));
    CAPTURE(setting.name);
    CAPTURE(report.trace);
    CHECK(report.violation == "");
    CHECK(report.states > 1'000);
  }
}

}  // namespace

TEST_CASE("an exclusive lock stands every interleaving of three agents that die and give up") {
  const unsigned crashes = few_at_night(2, 1);
  const unsigned leaves = few_at_night(2, 0);
  check_all({
      {.name = "barging",
       .agents = {{kLock}, {kLock}, {kLock}},
       .crashes = crashes,
       .leaves = leaves,
       .strays = true},
      {.name = "giving up", .agents = {{kLock}, {kLock}, {kLock}}, .leaves = 1},
      {.name = "fair", .agents = {{kFair}, {kFair}, {kFair}}, .crashes = crashes, .leaves = leaves},
      {.name = "one of them fair",
       .agents = {{kLock}, {kFair}, {kLock}},
       .crashes = crashes,
       .leaves = leaves},
      {.name = "re-entrant",
       .agents = {{kRlock}, {kRlock}, {kLock}},
       .crashes = crashes,
       .leaves = leaves,
       .deeper = true},
  });
}

TEST_CASE("leases end, are renewed and are cleared in every interleaving of three agents") {
  // Who clears and dies before it has woken anybody is noticed by nobody: that is left to the slices.
  check_all({
      {.name = "clearing",
       .agents = {{kLock}, {kLock}, {kLock}},
       .leaves = few_at_night(2, 0),
       .clears = 1,
       .strays = true},
      {.name = "leases",
       .agents = {{kLeased}, {kLeased}, {kLock}},
       .crashes = 1,
       .leaves = few_at_night(1, 0),
       .renews = true},
      {.name = "kept",
       .agents = {{kKept}, {kKept}, {kLock}},
       .crashes = 1,
       .leaves = few_at_night(1, 0),
       .renews = true},
  });
}

TEST_CASE("readers, writers and permits stand every interleaving of three agents that die and give up") {
  const unsigned leaves = few_at_night(1, 0);
  check_all({
      {.name = "two readers and a writer",
       .agents = {{kRead}, {kRead}, {kWrite}},
       .crashes = 1,
       .leaves = 1,
       .deeper = true},
      {.name = "a reader among locks",
       .agents = {{kRead}, {kLock}, {kRlock}},
       .crashes = 1,
       .leaves = leaves,
       .deeper = true},
      {.name = "leased readers",
       .agents = {{kLeasedRead}, {kLeasedRead}, {kWrite}},
       .crashes = 1,
       .leaves = leaves},
      {.name = "two of three permits",
       .agents = {{kOne}, {kOne}, {kTwo}},
       .limit = 2,
       .crashes = 1,
       .leaves = leaves},
  });
  if (rounds(1) == 1) return;
  check_all({
      {.name = "readers that write",
       .agents = {{kRead, kWrite}, {kRead, kWrite}, {kRead, kWrite}},
       .crashes = 1,
       .leaves = 1},
      {.name = "permits",
       .agents = {{kOne, kTwo}, {kOne}, {kOne, kTwo}},
       .limit = 2,
       .crashes = 1,
       .leaves = 1},
  });
}

TEST_CASE("readers that become writers and back stand every interleaving of three agents") {
  check_all({
      {.name = "two that upgrade",
       .agents = {{kRead, kWrite}, {kRead, kWrite}},
       .crashes = 1,
       .leaves = 1,
       .deeper = true,
       .exchanges = true},
      {.name = "two that upgrade, a reader",
       .agents = {{kRead, kWrite}, {kRead, kWrite}, {kRead}},
       .crashes = 1,
       .leaves = few_at_night(1, 0),
       .exchanges = true},
      {.name = "one that upgrades beside a reader and a writer",
       .agents = {{kRead, kWrite}, {kRead}, {kWrite}},
       .crashes = 1,
       .leaves = few_at_night(1, 0),
       .exchanges = true},
      {.name = "one that upgrades beside leased readers",
       .agents = {{kRead, kWrite}, {kLeasedRead}, {kLeasedRead}},
       .crashes = few_at_night(1, 0),
       .leaves = few_at_night(1, 0),
       .exchanges = true},
      {.name = "leased readers that upgrade",
       .agents = {{kLeasedRead, kLeasedWrite}, {kLeasedRead, kLeasedWrite}},
       .crashes = 1,
       .leaves = 1,
       .clears = 1,
       .renews = true,
       .exchanges = true},
  });
  if (rounds(1) == 1) return;
  check_all({
      {.name = "three that upgrade",
       .agents = {{kRead, kWrite}, {kRead, kWrite}, {kRead, kWrite}},
       .crashes = 1,
       .leaves = 1,
       .exchanges = true},
      {.name = "one that upgrades, and one is stopped",
       .agents = {{kRead, kWrite}, {kRead}, {kWrite}},
       .stops = 1,
       .exchanges = true},
  });
}

TEST_CASE("one that is stopped holds nobody up") {
  const unsigned crashes = few_at_night(1, 0);
  const unsigned leaves = few_at_night(1, 0);
  check_all({
      {.name = "stopped",
       .agents = {{kLock}, {kLock}, {kLock}},
       .crashes = crashes,
       .stops = 1,
       .leaves = leaves},
      {.name = "stopped reader or writer",
       .agents = {{kRead}, {kRead}, {kWrite}},
       .crashes = crashes,
       .stops = 1,
       .leaves = leaves},
      {.name = "stopped with permits",
       .agents = {{kOne}, {kOne}, {kTwo}},
       .limit = 2,
       .crashes = crashes,
       .stops = 1,
       .leaves = leaves},
  });
  if (rounds(1) == 1) return;
  check_all({
      {.name = "stopped beside long holds",
       .agents = {{kLock}, {kLock}, {kLock}},
       .crashes = 1,
       .stops = 1,
       .leaves = 1,
       .long_holds = true},
      {.name = "stopped and fair",
       .agents = {{kFair}, {kFair}, {kLock}},
       .crashes = 1,
       .stops = 1,
       .leaves = 1},
  });
}

TEST_CASE("four agents do not find what three cannot") {
  check_all({
      {.name = "four", .agents = {{kLock}, {kLock}, {kLock}, {kLock}}, .crashes = 1},
      {.name = "four with permits", .agents = {{kOne}, {kTwo}, {kFairOne}, {kOne}}, .limit = 2},
      {.name = "four readers and writers", .agents = {{kRead}, {kRead}, {kWrite}, {kWrite}}, .crashes = 1},
  });
  if (rounds(1) == 1) return;
  check_all({
      {.name = "four, one stopped", .agents = {{kLock}, {kLock}, {kLock}, {kLock}}, .stops = 1},
      {.name = "four with one permit each",
       .agents = {{kOne}, {kOne}, {kOne}, {kOne}},
       .limit = 2,
       .crashes = 1},
      {.name = "four, two of them fair", .agents = {{kFair}, {kFair}, {kLock}, {kLock}}, .crashes = 1},
  });
}
