// SPDX-License-Identifier: Apache-2.0
//
// A thousand waits in one process, and how many threads they take.
#include <filesystem>
#include <thread>

#include "async/coroutines.hpp"
#include "conformance/engines.hpp"
#include "support/worker.hpp"

namespace {

/// How many this process has. A sanitizer's own comes with the first that is started.
std::ptrdiff_t threads() {
  static const bool started = [] {
    std::thread([] {}).join();
    std::this_thread::sleep_for(50ms);  // the kernel forgets it a moment later
    return true;
  }();
  static_cast<void>(started);
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

constexpr int kCrowd = 1000;

}  // namespace

ENGINE_TEST("a thousand who wait for one lock need two threads at most, and all get it") {
  const std::ptrdiff_t before = threads();
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
  CHECK(threads() <= before + 2);
  CHECK(got == 0);
  holder.unlock();
  all.run();
  CHECK(got == kCrowd);
  CHECK(threads() <= before + 2);
  // When there is nothing to do any more, the thread goes.
  CHECK(eventually([&] { return threads() <= before + 1; }));
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "a thousand locks of killed processes come to who waits, with two threads") {
    Worker first = shell(path());
    Worker second = shell(path());
    const auto name = [](int i) { return "k" + std::to_string(i); };
    for (int i = 0; i < kCrowd; ++i) {
      REQUIRE((i % 2 == 0 ? first : second).ask("lock " + name(i)).starts_with("held"));
    }
    const std::ptrdiff_t before = threads();
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
    CHECK(threads() <= before + 2);
    CHECK(got == 0);
    first.kill();
    for (int i = 1; i < kCrowd; i += 2) CHECK(second.ask("release " + name(i)) == "released");
    all.run();
    CHECK(got == kCrowd);
  }
}
