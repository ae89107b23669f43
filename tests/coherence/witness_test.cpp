// SPDX-License-Identifier: Apache-2.0
#include "support/witness.hpp"

#include "support/check.hpp"

namespace {

using What = Did::What;

Did did(What what, std::int64_t start, std::int64_t end, std::uint64_t value = 0) {
  return {.start = start, .end = end, .value = value, .key = 0, .what = what};
}

/// What a verdict finds wrong: with a key that is never removed, and with one that may be.
void check(const std::vector<Did>& all, bool right_exactly, bool right_by_ends) {
  CHECK(judge(all, 1, 1).wrong.empty() == right_exactly);
  CHECK(judge(all, 1, 0).wrong.empty() == right_by_ends);
}
void check(const std::vector<Did>& all, bool right) { check(all, right, right); }

}  // namespace

TEST_CASE("histories that have an order are right") {
  check({}, true);
  check({did(What::read, 1, 2), did(What::write, 3, 4, 7), did(What::read, 5, 6, 7)}, true);
  // While it is written, either.
  check({did(What::write, 3, 9, 7), did(What::read, 4, 5), did(What::read, 6, 7, 7)}, true);
  check({did(What::write, 1, 9, 7), did(What::write, 2, 8, 8), did(What::read, 10, 11, 7)}, true);
  // Killed, and yet done.
  check({did(What::write, 1, 2, 7), did(What::write, 3, 0, 8), did(What::read, 10, 11, 8)}, true);
  check({did(What::write, 1, 2, 7), did(What::write, 3, 0, 8), did(What::read, 10, 11, 7)}, true);
  check({did(What::write, 1, 2, 7), did(What::write, 3, 0), did(What::read, 10, 11, 8)}, true);
  // Undone, and never seen.
  check({did(What::write, 1, 2, 7), did(What::undone, 3, 4, 8), did(What::read, 10, 11, 7)}, true);
  // Removed.
  CHECK(judge(std::vector{did(What::write, 1, 2, 7), did(What::remove, 3, 4), did(What::read, 5, 6)}, 1, 0)
            .wrong.empty());
}

TEST_CASE("an answer that is too old is found") {
  check({did(What::write, 1, 2, 7), did(What::write, 3, 4, 8), did(What::read, 5, 6, 7)}, false);
  // Known by an answer only.
  check({did(What::write, 1, 2, 7), did(What::write, 3, 9, 8), did(What::read, 4, 5, 8),
         did(What::read, 6, 7, 7)},
        false);
  // Known by an answer, of a writer that was killed.
  check({did(What::write, 1, 2, 7), did(What::write, 3, 0, 8), did(What::read, 4, 5, 8),
         did(What::read, 6, 7, 7)},
        false);
  check({did(What::write, 1, 2, 7), did(What::read, 5, 6)}, false);
  // Written at the same time, seen one after the other, and then the first again.
  check({did(What::write, 1, 20, 7), did(What::write, 1, 20, 8), did(What::read, 2, 3, 7),
         did(What::read, 4, 5, 8), did(What::read, 6, 7, 7)},
        false, true);
  CHECK_FALSE(
      judge(std::vector{did(What::write, 1, 2, 7), did(What::remove, 3, 4), did(What::read, 5, 6, 7)}, 1, 0)
          .wrong.empty());
  CHECK_FALSE(judge(std::vector{did(What::write, 1, 2, 7), did(What::remove, 3, 4), did(What::write, 5, 6, 8),
                                did(What::read, 7, 8)},
                    1, 0)
                  .wrong.empty());
}

TEST_CASE("an answer that was never committed, or is none, is found") {
  check({did(What::undone, 1, 2, 7), did(What::read, 3, 4, 7)}, false);
  check({did(What::write, 1, 2, 7), did(What::read, 3, 4, 8)}, false);
  check({did(What::write, 1, 2, 7), did(What::read, 3, 4, kTorn)}, false);
  check({did(What::read, 1, 2, 7), did(What::write, 3, 4, 7)}, false);
  check({did(What::write, 1, 2, 7), did(What::write, 3, 4, 7)}, false);
}
