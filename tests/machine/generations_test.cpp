// SPDX-License-Identifier: Apache-2.0
//
// No answer from a copy is older than what somebody knew before it was asked for: in every interleaving.
#include "machine/generations.hpp"

#include "support/check.hpp"

namespace {

Traffics found_in(const Traffic& traffic) {
  CAPTURE(traffic.name);
  Traffics found = explore(traffic);
  MESSAGE(traffic.name << ": " << found.states << " states");
  return found;
}

}  // namespace

TEST_CASE("copies are never old, whoever dies or is slow") {
  std::vector<Traffic> all{
      {.name = "two writers, two readers"},
      {.name = "three writers, a reader", .writers = 3, .readers = 1},
      {.name = "two bulk writers, a reader", .readers = 1, .bulk = true, .mends = true},
  };
  if (rounds(1) > 1) {
    all = {
        {.name = "two bulk writers, two readers", .bulk = true, .mends = true},
        {.name = "three writers, two readers", .writers = 3},
        {.name = "three writers that mend, a reader", .writers = 3, .readers = 1, .mends = true},
    };
  }
  for (const Traffic& traffic : all) {
    const Traffics found = found_in(traffic);
    CHECK(found.wrong.empty());
    CHECK(found.settles);
    CHECK(found.states > 40'000);
  }
}

TEST_CASE("whatever is left out of the protocol makes an answer old in some interleaving") {
  struct {
    const char* name;
    Fault fault;
    bool bulk = false;
  } const faults[] = {
      {"mark after the commit", Fault::mark_after_commit},
      {"settle before the commit", Fault::settle_before_commit},
      {"settle by a plain store", Fault::settle_by_store},
      {"settle without the write lock", Fault::settle_without_lock},
      {"count before and after", Fault::count},
      {"a stamp that comes again", Fault::stamp_again},
      {"keep under the word as it is later", Fault::keep_under_later_word},
      {"keep from an older snapshot", Fault::keep_older_snapshot},
      {"keep what is not committed", Fault::keep_uncommitted},
      {"go by the key's word alone", Fault::ignore_all, true},
  };
  for (const auto& one : faults) {
    const Traffics found =
        found_in({.name = one.name, .writes = 2, .kills = 1, .bulk = one.bulk, .fault = one.fault});
    CAPTURE(one.name);
    CHECK_FALSE(found.wrong.empty());
    if (std::getenv("DCACHE_TEST_TRACES") != nullptr) MESSAGE(found.wrong);
  }
}

TEST_CASE("what a killed writer has left is settled by the next, or else stays odd") {
  CHECK(found_in({.name = "next writer settles", .readers = 1, .bulk = true}).settles);
  CHECK_FALSE(
      found_in({.name = "nobody settles", .readers = 1, .bulk = true, .fault = Fault::mark_without_clearing})
          .settles);
}
