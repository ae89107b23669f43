// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/turn.hpp"

#include <atomic>
#include <thread>

#include "board/board.hpp"
#include "board/layout.hpp"
#include "support/check.hpp"
#include "support/database.hpp"

namespace {

using std::chrono::steady_clock;
using store::sqlite::Turn;

std::int64_t now_ns() { return std::chrono::nanoseconds(steady_clock::now().time_since_epoch()).count(); }

/// The board of a cache that others use.
struct Waiting : OneCache {
  std::shared_ptr<platform::SharedMemory> memory =
      board::Board(dir / "cache", uuid_of(dir / "cache"), [] { return true; }).mapping().memory;
  std::atomic<std::int64_t>& word = memory->at<std::atomic<std::int64_t>>(board::kImpatientAt);

  /// The shortest of some: of a thread that was held up all are long.
  template <class F>
  static std::chrono::nanoseconds shortest(F f) {
    auto shortest = std::chrono::nanoseconds::max();
    for (int i = 0; i < 20; ++i) {
      const auto start = steady_clock::now();
      f();
      shortest = std::min<std::chrono::nanoseconds>(shortest, steady_clock::now() - start);
    }
    return shortest;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Waiting, "who comes fresh lets those go first who have waited for long") {
  const auto with = [&](std::int64_t until, Deadline deadline = kNoDeadline) {
    return shortest([&] {
      word = until == 0 ? 0 : now_ns() + until;
      const Turn turn(memory, deadline);
    });
  };
  const std::int64_t ms = 1'000'000;
  CHECK(with(2 * ms) >= 200us);
  CHECK(with(0) < 200us);
  // What has lapsed, or what nobody can have meant, is nothing to wait for.
  CHECK(with(-1) < 200us);
  CHECK(with(1000 * ms) < 200us);
  CHECK(with(2 * ms, steady_clock::now()) < 200us);
  CHECK(shortest([] { const Turn turn(nullptr, kNoDeadline); }) < 200us);
}

TEST_CASE_FIXTURE(Waiting, "who has waited for long says so, as long as it waits") {
  cache.set("k", "v");
  Cache other(path());
  other.set("k", "v");
  std::thread writer;
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "w");
    writer = std::thread([&] { other.set("k", "x"); });
    CHECK(eventually([&] { return word > now_ns(); }));
  });
  writer.join();
  CHECK(word == 0);
  CHECK(cache.get("k") == "x");
}

TEST_CASE_FIXTURE(Waiting, "a wait that ends otherwise is over as well") {
  Cache other(path(), {.timeout = 50ms});
  other.set("k", "v");
  cache.transact([&](Transaction& transaction) {
    transaction.set("k", "w");
    std::thread([&] { CHECK_THROWS_AS(other.set("k", "x"), Timeout); }).join();
  });
  CHECK(word == 0);
}
