// SPDX-License-Identifier: Apache-2.0
#include "dcache/lock_all.hpp"

#include <thread>

#include "support/check.hpp"
#include "support/database.hpp"

TEST_CASE_FIXTURE(OneCache, "several locks are held together and given back together") {
  {
    LockedAll all = lock_all(cache, {"b", "a", "c", "a"});
    CHECK(all.owned());
    CHECK(all.locks().size() == 3);
    CHECK(all.locks().front().key() == "a");
    CHECK(locks(cache).size() == 3);
    CHECK_FALSE(try_lock_all(cache, {"x", "c"}));
    CHECK(locks(cache).size() == 3);
    LockedAll moved = std::move(all);
    CHECK(moved.owned());
  }
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache,
                  "all or none: what cannot be had in time leaves nothing held, and names what was missing") {
  SyncLock held(cache, "b");
  held.lock();
  CHECK_THROWS_WITH_AS(static_cast<void>(lock_all(cache, {"a", "b", "c"}, {.timeout = 20ms})),
                       "not all of 3 locks were to be had in time; lock 'b' was missing", Timeout);
  CHECK(locks(cache).size() == 1);
  held.unlock();
  CHECK(try_lock_all(cache, {"a", "b"}));
}

TEST_CASE_FIXTURE(OneCache, "callers with the same keys in any order never wait in a circle") {
  int total = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 25; ++i) {
        const LockedAll all = thread % 2 == 0 ? lock_all(cache, {"a", "b", "c"}, {.timeout = 60s})
                                              : lock_all(cache, {"c", "b", "a"}, {.timeout = 60s});
        ++total;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(total == 100);
}

TEST_CASE_FIXTURE(OneCache, "no keys are refused, and bad ones too") {
  CHECK_THROWS_AS(static_cast<void>(lock_all(cache, std::span<const ByteView>())), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(lock_all(cache, {"a", std::string(5000, 'k')})), InvalidArgument);
  CHECK(locks(cache).empty());
}

TEST_CASE_FIXTURE(OneCache, "after unlock they can be had again") {
  LockedAll all = lock_all(cache, {"a", "b"});
  all.unlock();
  CHECK_FALSE(all.owned());
  LockedAll again = lock_all(cache, {"a", "b"});
  all = std::move(again);
  CHECK(all.owned());
}
