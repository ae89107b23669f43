// SPDX-License-Identifier: Apache-2.0
//
// A thousand waits in one process, and how many threads they take.

#include "async/coroutines.hpp"
#include "conformance/engines.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace {

constexpr int kCrowd = 1000;

}  // namespace

ENGINE_TEST("a thousand who wait for one lock need two threads at most, and all get it") {
  const std::ptrdiff_t before = thread_count();
  Coroutines all;
  SyncLock holder(cache, "k");
  holder.lock();
  int got = 0;
  for (int i = 0; i < kCrowd; ++i) {
    all.start([&]() -> Task {
      SyncLock lock(cache, "k", {.timeout = 5min});
      co_await async_lock(lock, use_awaitable);
      ++got;
      co_await async_unlock(lock, use_awaitable);
    });
  }
  all.run_until([] { return false; }, 200ms);
  CHECK(thread_count() <= before + 2);
  CHECK(got == 0);
  holder.unlock();
  all.run();
  CHECK(got == kCrowd);
  CHECK(thread_count() <= before + 2);
  // When there is nothing to do any more, the thread goes.
  CHECK(eventually([&] { return thread_count() <= before + 1; }));
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "a thousand locks of killed processes come to who waits, with two threads") {
    Worker first = shell(path());
    Worker second = shell(path());
    const auto name = [](int i) { return "k" + std::to_string(i); };
    for (int i = 0; i < kCrowd; ++i) {
      REQUIRE((i % 2 == 0 ? first : second).ask("lock " + name(i)).starts_with("held"));
    }
    const std::ptrdiff_t before = thread_count();
    Coroutines all;
    int begun = 0;
    int got = 0;
    for (int i = 0; i < kCrowd; ++i) {
      all.start([&, i]() -> Task {
        SyncLock lock(cache, name(i), {.timeout = 5min});
        ++begun;
        co_await async_lock(lock, use_awaitable);
        CHECK(lock.previous_owner_died() == (i % 2 == 0));
        ++got;
        co_await async_unlock(lock, use_awaitable);
      });
    }
    REQUIRE(all.run_until([&] { return begun == kCrowd; }, 60s));
    REQUIRE(all.run_until([&] { return waiting(cache) == kCrowd; }, 60s));
    all.run_until([] { return false; }, 300ms);
    CHECK(thread_count() <= before + 2);
    CHECK(got == 0);
    first.kill();
    for (int i = 1; i < kCrowd; i += 2) CHECK(second.ask("release " + name(i)) == "released");
    all.run();
    CHECK(got == kCrowd);
  }
}
