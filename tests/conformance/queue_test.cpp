// SPDX-License-Identifier: Apache-2.0
//
// Waiting for locks: order, what is told meanwhile, and that nothing of it is left behind.
#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <stdexcept>
#include <stop_token>

#include "conformance/engines.hpp"
#include "dcache/lock.hpp"

namespace {

std::vector<Waiter> waiters(const Cache& cache) {
  const std::vector<LockInfo> all = locks(cache);
  return all.empty() ? std::vector<Waiter>() : all.front().waiters;
}

/// Threads that stand in the queue one after the other, and what they got.
class Queue {
 public:
  explicit Queue(Cache& cache) : cache_(cache) {}

  void join(int name) {
    const std::size_t before = waiters(cache_).size();
    threads_.push_back(std::async(std::launch::async, [this, name] {
      SyncLock lock(cache_, "k", {.timeout = 60s, .fair = true});
      const std::scoped_lock hold(lock);
      served.push_back(name);
      fences.push_back(lock.fence());
    }));
    REQUIRE(eventually([&] { return waiters(cache_).size() == before + 1; }));
  }

  void end() {
    for (std::future<void>& thread : threads_) thread.get();
  }

  std::vector<int> served;            ///< guarded by the lock
  std::vector<std::uint64_t> fences;  ///< likewise

 private:
  Cache& cache_;
  std::vector<std::future<void>> threads_;
};

}  // namespace

// A waiter that a busy machine keeps from its turn for 5 ms is passed over, so not every round must be in
// order.
constexpr int kRounds = 20;
constexpr int kInOrder = 10;

ENGINE_TEST("the fair are served in the order in which they came, and are listed in it") {
  SyncLock lock(cache, "k");
  int in_order = 0;
  for (int round = 0; round < kRounds && in_order < kInOrder; ++round) {
    lock.lock();
    Queue queue(cache);
    for (const int name : {1, 2, 3}) queue.join(name);
    const std::vector<Waiter> listed = waiters(cache);
    REQUIRE(listed.size() == 3);
    CHECK(listed[0].waited >= listed[1].waited);
    CHECK(listed[1].waited >= listed[2].waited);
    for (const Waiter& waiter : listed) {
      CHECK(waiter.fair);
      CHECK(waiter.state == Liveness::alive);
      CHECK(waiter.session == store().session());
      CHECK(waiter.owner == std::to_string(waiter.pid) + "-" + std::to_string(waiter.tid));
    }
    CHECK(listed[0].agent != listed[1].agent);
    lock.unlock();
    queue.end();
    CHECK(queue.served.size() == 3);
    if (queue.served == std::vector<int>{1, 2, 3}) ++in_order;
    CHECK(std::is_sorted(queue.fences.begin(), queue.fences.end()));
    CHECK(queue.fences.front() > lock.fence());
    CHECK(locks(cache).empty());
  }
  CHECK(in_order >= kInOrder);
}

ENGINE_TEST("nobody overtakes the fair") {
  SyncLock lock(cache, "k");
  int in_order = 0;
  for (int round = 0; round < kRounds && in_order < kInOrder; ++round) {
    lock.lock();
    Queue queue(cache);
    queue.join(1);
    queue.join(2);
    std::atomic<bool> done{false};
    bool overtook = false;
    auto pusher = std::async(std::launch::async, [&] {
      SyncLock pushy(cache, "k");
      while (!done) {
        std::this_thread::sleep_for(100us);
        if (!pushy.try_lock()) continue;
        // With the lock in hand nobody else appends to the list.
        if (queue.served.size() < 2) overtook = true;
        pushy.unlock();
      }
    });
    std::this_thread::sleep_for(5ms);
    lock.unlock();
    queue.end();
    done = true;
    pusher.get();
    if (!overtook && queue.served == std::vector<int>{1, 2}) ++in_order;
    CHECK(locks(cache).empty());
  }
  CHECK(in_order >= kInOrder);
}

ENGINE_TEST("who waits longer is shown to have waited longer") {
  SyncLock lock(cache, "k");
  lock.lock();
  Queue queue(cache);
  queue.join(1);
  const auto before = waiters(cache).at(0).waited.nanoseconds();
  std::this_thread::sleep_for(30ms);
  CHECK(waiters(cache).at(0).waited >= Duration(before + 30ms));
  lock.unlock();
  queue.end();
}

ENGINE_TEST("a waiter whose time is over leaves no trace") {
  SyncLock lock(cache, "k");
  lock.lock();
  for (const bool fair : {false, true}) {
    SyncLock rival(cache, "k", {.timeout = 30ms, .fair = fair});
    CHECK(has(thrown<Timeout>([&] { rival.lock(); }), "'k'"));
    CHECK(waiters(cache).empty());
    CHECK_FALSE(rival.try_lock_for(30ms));
    CHECK(waiters(cache).empty());
    CHECK_FALSE(rival.try_lock());
    CHECK(waiters(cache).empty());
  }
  CHECK(lock.owned());
  lock.unlock();
  CHECK(cache.stats().locks == 0);
}

ENGINE_TEST("a waiter that is cancelled leaves no trace, and the one behind it moves up") {
  SyncLock lock(cache, "k");
  lock.lock();
  for (const bool fair : {false, true}) {
    std::stop_source stop;
    auto waiting = std::async(std::launch::async, [&] {
      SyncLock first(cache, "k", {.timeout = forever, .fair = fair});
      first.lock(stop.get_token());
    });
    REQUIRE(eventually([&] { return waiters(cache).size() == 1; }));
    Queue queue(cache);
    queue.join(2);
    stop.request_stop();
    CHECK_THROWS_AS(waiting.get(), Cancelled);
    CHECK(waiters(cache).size() == 1);
    lock.unlock();
    queue.end();
    CHECK(queue.served == std::vector<int>{2});
    CHECK(locks(cache).empty());
    lock.lock();
  }
}

STORE_TEST("a stop request ends a wait for a store that is busy, too") {
  cache.transact([&](Transaction& transaction) {
    transaction.set("keeps", "the store");
    std::stop_source stop;
    auto waiting = std::async(std::launch::async, [&] {
      SyncLock lock(cache, "k", {.timeout = forever});
      lock.lock(stop.get_token());
    });
    CHECK(waiting.wait_for(50ms) == std::future_status::timeout);
    stop.request_stop();
    CHECK_THROWS_AS(waiting.get(), Cancelled);
  });
  CHECK(locks(cache).empty());
}

STORE_TEST("a try on a busy store is false, not a Timeout") {
  cache.transact([&](Transaction& transaction) {
    transaction.set("keeps", "the store");
    auto trying = std::async(std::launch::async, [&] { return SyncLock(cache, "k").try_lock(); });
    CHECK_FALSE(trying.get());
  });
  CHECK(SyncLock(cache, "k").try_lock());
}

ENGINE_TEST("max_tries looks that often and no more, in the queue as well") {
  SyncLock lock(cache, "k");
  lock.lock();
  for (const bool fair : {false, true}) {
    for (const std::uint64_t tries : {1U, 2U, 30U}) {
      SyncLock rival(cache, "k", {.timeout = 60s, .fair = fair, .max_tries = tries});
      CHECK(has(thrown<Timeout>([&] { rival.lock(); }), std::to_string(tries) + " tries"));
      CHECK(waiters(cache).empty());
    }
  }
  lock.unlock();
  SyncLock free(cache, "k", {.max_tries = 1});
  CHECK_NOTHROW(free.lock());
}

ENGINE_TEST("on_wait is told who holds the lock, at once and then about once a second") {
  SyncLock lock(cache, "k", {.label = "the holder"});
  for (const bool fair : {false, true}) {
    lock.lock();
    std::vector<Duration> told;
    auto waiting = std::async(std::launch::async, [&] {
      SyncLock rival(cache, "k",
                     {.timeout = 30s, .fair = fair, .on_wait = [&](const Holder& holder, Duration waited) {
                        CHECK(holder.fence == lock.fence());
                        CHECK(holder.label == "the holder");
                        told.push_back(waited);
                      }});
      rival.lock();
    });
    std::this_thread::sleep_for(fair ? 1300ms : 100ms);
    lock.unlock();
    waiting.get();
    REQUIRE(told.size() >= (fair ? 2 : 1));
    CHECK(told[0] < Duration(1s));
    for (std::size_t i = 1; i < told.size(); ++i) {
      CHECK(told[i].nanoseconds() - told[i - 1].nanoseconds() >= 1s);
    }
  }
}

ENGINE_TEST("on_wait is not called for a lock that is free") {
  int calls = 0;
  SyncLock lock(cache, "k", {.on_wait = [&](const Holder&, Duration) { ++calls; }});
  lock.lock();
  lock.unlock();
  CHECK(lock.try_lock());
  CHECK(calls == 0);
}

ENGINE_TEST("every thread that waits is told at once, not only the first of its process") {
  SyncLock lock(cache, "k");
  lock.lock();
  std::atomic<int> told{0};
  std::vector<std::future<void>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::async(std::launch::async, [&] {
      SyncLock rival(cache, "k", {.timeout = 300ms, .on_wait = [&](const Holder&, Duration) { ++told; }});
      CHECK_THROWS_AS(rival.lock(), Timeout);
    }));
  }
  for (std::future<void>& thread : threads) thread.get();
  CHECK(told.load() == 3);
}

ENGINE_TEST("what on_wait throws ends the wait and leaves no waiter behind") {
  SyncLock lock(cache, "k");
  lock.lock();
  for (const bool fair : {false, true}) {
    SyncLock rival(cache, "k", {.timeout = 30s, .fair = fair, .on_wait = [](const Holder&, Duration) {
                                  throw std::runtime_error("enough");
                                }});
    CHECK_THROWS_WITH(rival.lock(), "enough");
    CHECK(waiters(cache).empty());
    CHECK_FALSE(rival.owned());
    CHECK(rival.release() == Release::not_owner);
  }
  lock.unlock();
  CHECK(locks(cache).empty());
}

ENGINE_TEST("clearing a lock by force lets the waiters in, with fences above the cleared one") {
  for (const bool fair : {false, true}) {
    SyncLock lock(cache, "k");
    lock.lock();
    auto waiting = std::async(std::launch::async, [&] {
      SyncLock rival(cache, "k", {.timeout = 30s, .fair = fair});
      const std::scoped_lock hold(rival);
      return rival.fence();
    });
    if (fair) {
      REQUIRE(eventually([&] { return waiters(cache).size() == 1; }));
    } else {
      CHECK(waiting.wait_for(20ms) == std::future_status::timeout);
    }
    CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
    CHECK(waiting.get() > lock.fence());
    CHECK(lock.release() == Release::lost);
    CHECK(locks(cache).empty());
  }
}

ENGINE_TEST("sixteen threads that want one lock all get it as often as they ask") {
  for (const bool fair : {false, true}) {
    int inside = 0;
    int total = 0;
    std::vector<std::future<void>> threads;
    for (int i = 0; i < 16; ++i) {
      threads.push_back(std::async(std::launch::async, [&] {
        SyncLock lock(cache, "k", {.timeout = 60s, .fair = fair});
        for (int k = 0; k < 10; ++k) {
          const std::scoped_lock hold(lock);
          CHECK(++inside == 1);
          if (k % 4 == 0) std::this_thread::yield();
          --inside;
          ++total;
        }
      }));
    }
    for (std::future<void>& thread : threads) thread.get();
    CHECK(total == 160);
    CHECK(locks(cache).empty());
  }
}
