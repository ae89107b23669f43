// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <optional>
#include <thread>

#include "async/coroutines.hpp"
#include "conformance/engines.hpp"

ENGINE_TEST("a coroutine gets a lock, others see it held, and it gives it back") {
  await([this]() -> Task {
    SyncLock lock(cache, "k");
    SyncLock other(cache, "k");
    co_await async_lock(lock, use_awaitable);
    CHECK(lock.owned());
    CHECK(lock.fence() > 0);
    CHECK(other.locked());
    CHECK(!co_await async_try_lock_for(other, 0s, use_awaitable));
    CHECK(!elsewhere([&] { return other.try_lock(); }));
    co_await async_unlock(lock, use_awaitable);
    CHECK(!lock.locked());
    CHECK(co_await async_try_lock_for(other, 0s, use_awaitable));
    CHECK(other.fence() > lock.fence());
    co_await async_unlock(other, use_awaitable);
  });
}

ENGINE_TEST("callbacks are not called inside of the call, and run on their executor") {
  asio::io_context io;
  SyncLock lock(cache, "k");
  std::vector<std::string> said;
  const auto here = std::this_thread::get_id();
  const auto note = [&](const char* what) {
    return asio::bind_executor(io, [&said, what, here](std::exception_ptr error) {
      CHECK(!error);
      CHECK(std::this_thread::get_id() == here);
      said.emplace_back(what);
    });
  };
  async_lock(lock, note("locked"));
  said.emplace_back("asked");
  io.run();
  CHECK(said == std::vector<std::string>{"asked", "locked"});
  CHECK(lock.owned());
  async_unlock(lock, note("unlocked"));
  CHECK(said.size() == 2);
  io.restart();
  io.run();
  CHECK(said.back() == "unlocked");
}

ENGINE_TEST("futures have the result, or throw the error") {
  SyncLock lock(cache, "k", {.timeout = 20ms});
  async_lock(lock, asio::use_future).get();
  SyncLock other(cache, "k", {.timeout = 20ms});
  CHECK(async_try_lock_for(other, 10ms, asio::use_future).get() == false);
  const std::string text = thrown<Timeout>([&] { async_lock(other, asio::use_future).get(); });
  CHECK(has(text, "lock 'k'"));
  CHECK(has(text, "held by " + std::to_string(::getpid())));
  async_unlock(lock, asio::use_future).get();
  CHECK(async_try_lock_for(other, 10ms, asio::use_future).get());
  // A lock is a lock, however it was taken.
  other.unlock();
  other.lock();
  async_unlock(other, asio::use_future).get();
  CHECK(!other.locked());
}

ENGINE_TEST("coroutines on one thread keep each other out, with handles of their own or with one for all") {
  for (const bool shared : {false, true}) {
    Coroutines all;
    SyncLock one(cache, "k", {.timeout = 60s});
    int inside = 0;
    int count = 0;
    for (int i = 0; i < 20; ++i) {
      all.start([&]() -> Task {
        SyncLock own(cache, "k", {.timeout = 60s});
        SyncLock& lock = shared ? one : own;
        for (int j = 0; j < 10; ++j) {
          co_await async_lock(lock, use_awaitable);
          CHECK(++inside == 1);
          co_await asio::post(use_awaitable);
          ++count;
          CHECK(--inside == 0);
          co_await async_unlock(lock, use_awaitable);
        }
      });
    }
    all.run();
    CHECK(count == 200);
  }
}

ENGINE_TEST("threads that wait with their thread and coroutines keep each other out") {
  asio::thread_pool pool(2);
  std::atomic<int> inside = 0;
  std::atomic<int> count = 0;
  const auto critical = [&] {
    CHECK(++inside == 1);
    std::this_thread::yield();
    ++count;
    CHECK(--inside == 0);
  };
  for (int i = 0; i < 4; ++i) {
    asio::co_spawn(
        pool,
        [&]() -> Task {
          SyncLock lock(cache, "k", {.timeout = 60s});
          for (int j = 0; j < 50; ++j) {
            co_await async_lock(lock, use_awaitable);
            critical();
            co_await async_unlock(lock, use_awaitable);
          }
        },
        asio::detached);
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      SyncLock lock(cache, "k", {.timeout = 60s});
      for (int j = 0; j < 50; ++j) {
        const std::scoped_lock hold(lock);
        critical();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  pool.join();
  CHECK(count == 300);
}

ENGINE_TEST("a re-entrant lock belongs to the owner, not to the thread on which two coroutines run") {
  await([this]() -> Task {
    const LockOwner one;
    const LockOwner two;
    SyncRLock first(cache, "k", {.owner = one});
    SyncRLock again(cache, "k", {.owner = one});
    SyncRLock other(cache, "k", {.owner = two});
    co_await async_lock(first, use_awaitable);
    co_await async_lock(again, use_awaitable);
    CHECK(first.holder()->count == 2);
    CHECK(first.holder()->agent == one.agent());
    CHECK(first.holder()->owner == one.name());
    CHECK(!co_await async_try_lock_for(other, 5ms, use_awaitable));
    CHECK(has(co_await thrown_by<NotOwner>(async_unlock(other, use_awaitable)), "not held here"));
    co_await async_unlock(first, use_awaitable);
    CHECK(!co_await async_try_lock_for(other, 0s, use_awaitable));
    co_await async_unlock(again, use_awaitable);
    CHECK(co_await async_try_lock_for(other, 0s, use_awaitable));
    co_await async_unlock(other, use_awaitable);
  });
}

ENGINE_TEST("a coroutine that goes on in other threads keeps its owner's lock, and goes deeper in it") {
  asio::thread_pool pool(1);
  asio::thread_pool elsewhere_(1);
  std::set<std::thread::id> threads;
  asio::co_spawn(
      pool,
      [&]() -> Task {
        SyncRLock lock(cache, "k", {.owner = LockOwner()});
        SyncRWLock shared(cache, "s", {.owner = lock.options().owner});
        for (int i = 0; i < 6; ++i) {
          threads.insert(std::this_thread::get_id());
          co_await async_lock(lock, use_awaitable);
          CHECK(lock.holder()->count == static_cast<std::uint64_t>(i + 1));
          shared.lock_shared();
          co_await asio::post(asio::bind_executor(i % 2 == 0 ? elsewhere_ : pool, use_awaitable));
        }
        for (int i = 0; i < 6; ++i) {
          CHECK(lock.owned());
          co_await async_unlock(lock, use_awaitable);
          shared.unlock();
          co_await asio::post(asio::bind_executor(i % 2 == 0 ? elsewhere_ : pool, use_awaitable));
        }
        CHECK(!lock.locked());
        CHECK(!shared.locked());
      },
      asio::detached);
  pool.join();
  elsewhere_.join();
  CHECK(threads.size() == 2);
}

ENGINE_TEST("locks of threads are refused without an owner, and locks of handles with one") {
  await([this]() -> Task {
    SyncRLock lock(cache, "k");
    SyncRWLock shared(cache, "s");
    CHECK(has(co_await thrown_by<Misuse>(async_lock(lock, use_awaitable)), "LockOptions::owner"));
    CHECK(has(co_await thrown_by<Misuse>(async_lock(shared, use_awaitable)), "lock 's'"));
    CHECK(has(co_await thrown_by<Misuse>(async_unlock(lock, use_awaitable)), "lock 'k'"));
    CHECK(has(thrown<InvalidArgument>([&] { SyncLock(cache, "k", {.owner = LockOwner()}); }), "SyncRLock"));
    CHECK(
        has(thrown<InvalidArgument>([&] { Semaphore(cache, "k", 1, {.owner = LockOwner()}); }), "lock 'k'"));
  });
}

ENGINE_TEST("semaphores and read-write locks wait for permits and for readers") {
  await([this]() -> Task {
    Semaphore two(cache, "two", 2);
    co_await async_lock(two, use_awaitable);
    co_await async_lock(two, use_awaitable);
    CHECK(!co_await async_try_lock_for(two, 5ms, use_awaitable));
    CHECK(two.release() == Release::released);
    CHECK(co_await async_try_lock_for(two, 5ms, use_awaitable));
    CHECK(two.release(2) == Release::released);

    SyncRWLock reader(cache, "rw");
    SyncRWLock writer(cache, "rw", {.owner = LockOwner()});
    reader.lock_shared();
    CHECK(!co_await async_try_lock_for(writer, 5ms, use_awaitable));
    reader.unlock();
    co_await async_lock(writer, use_awaitable);
    CHECK(!reader.try_lock_shared());
    co_await async_unlock(writer, use_awaitable);
  });
}

ENGINE_TEST("who waits without a thread times out, at once or later, and says who holds it") {
  await([this]() -> Task {
    SyncLock holder(cache, "k", {.label = "the holder"});
    holder.lock();
    SyncLock impatient(cache, "k", {.timeout = 0s});
    SyncLock patient(cache, "k", {.timeout = 30ms});
    SyncLock tries(cache, "k", {.max_tries = 2});
    CHECK(has(co_await thrown_by<Timeout>(async_lock(impatient, use_awaitable)), "the holder"));
    CHECK(has(co_await thrown_by<Timeout>(async_lock(patient, use_awaitable)), "within 0.03 s"));
    CHECK(has(co_await thrown_by<Timeout>(async_lock(tries, use_awaitable)), "in 2 tries"));
    const auto start = std::chrono::steady_clock::now();
    CHECK(!co_await async_try_lock_for(patient, 40ms, use_awaitable));
    CHECK(std::chrono::steady_clock::now() - start >= 40ms);
    CHECK(!co_await async_try_lock_for(patient, -5s, use_awaitable));
    CHECK(waiting(cache) == 0);
    holder.unlock();
  });
}

ENGINE_TEST("unlocking what is not held, or inside a transaction, is an error of the call or comes later") {
  await([this]() -> Task {
    SyncLock lock(cache, "k");
    CHECK(has(co_await thrown_by<NotOwner>(async_unlock(lock, use_awaitable)), "lock 'k' is not held here"));
    SyncLock other(cache, "k");
    co_await async_lock(other, use_awaitable);
    CHECK(has(co_await thrown_by<NotOwner>(async_unlock(lock, use_awaitable)), "held by"));
    CHECK(other.owned());
    co_await async_unlock(other, use_awaitable);
    CHECK(has(co_await thrown_by<NotOwner>(async_unlock(other, use_awaitable)), "not held here"));
  });
  SyncLock lock(cache, "k");
  std::future<void> got;
  cache.transact([&](Transaction&) { got = async_lock(lock, asio::use_future); });
  CHECK(has(thrown<Misuse>([&] { got.get(); }), "inside Cache::transact"));
  CHECK(!lock.locked());
}

ENGINE_TEST("a lease that ended while a coroutine held the lock lets the next one in, and is not an error") {
  await([this]() -> Task {
    SyncLock late(cache, "k", {.lease = 20ms});
    SyncLock next(cache, "k");
    co_await async_lock(late, use_awaitable);
    co_await async_lock(next, use_awaitable);
    CHECK(next.previous_owner_died());
    co_await async_unlock(late, use_awaitable);
    CHECK(late.lost());
    CHECK(next.owned());
    co_await async_unlock(next, use_awaitable);
  });
}

ENGINE_TEST("fair waits of coroutines stand in the queue in the order in which they asked") {
  Coroutines all;
  SyncRLock holder(cache, "k", {.fair = true});
  holder.lock();
  std::vector<std::uint64_t> asked;
  int got = 0;
  for (int i = 0; i < 60; ++i) {
    all.start([&]() -> Task {
      const LockOwner owner;
      SyncRLock lock(cache, "k", {.timeout = 60s, .fair = true, .owner = owner});
      asked.push_back(owner.agent());
      co_await async_lock(lock, use_awaitable);
      ++got;
      co_await async_unlock(lock, use_awaitable);
    });
  }
  REQUIRE(all.run_until([&] { return asked.size() == 60 && waiting(cache) == 60; }));
  std::vector<std::uint64_t> queue;
  const std::vector<LockInfo> found = locks(cache);
  for (const Waiter& waiter : found.front().waiters) queue.push_back(waiter.agent);
  CHECK(queue == asked);
  holder.unlock();
  all.run();
  CHECK(got == 60);
}

ENGINE_TEST("on_wait is told while one waits, and what it throws ends the wait") {
  await([this]() -> Task {
    SyncLock holder(cache, "k");
    co_await async_lock(holder, use_awaitable);
    SyncLock lock(cache, "k",
                  {.on_wait = [](const Holder&, Duration) { throw std::runtime_error("enough"); }});
    CHECK(co_await thrown_by<std::runtime_error>(async_lock(lock, use_awaitable)) == "enough");
    co_await async_unlock(holder, use_awaitable);
    CHECK(co_await async_try_lock_for(lock, 1s, use_awaitable));
  });
}

TEST_CASE_FIXTURE(OneCache, "coroutines of one thread are not taken for a circle that would never end") {
  // A thread waits for one of them, and holds what another one of them waits for already.
  Coroutines all;
  SyncLock held(cache, "held", {.timeout = 60s});
  SyncLock wanted(cache, "wanted", {.timeout = 60s});
  async_lock(held, asio::use_future).get();
  std::promise<void> holds;
  std::promise<void> waits;
  std::atomic<bool> got = false;
  std::thread thread([&] {
    SyncLock own(cache, "wanted");
    const std::scoped_lock hold(own);
    holds.set_value();
    waits.get_future().wait();
    SyncLock next(cache, "held", {.timeout = 60s});
    try {
      next.lock();
      got = true;
      next.unlock();
    } catch (const Deadlock& error) {
      FAIL_CHECK(error.what());
    }
  });
  holds.get_future().wait();
  all.start([&]() -> Task {
    co_await async_lock(wanted, use_awaitable);
    CHECK(got);
    co_await async_unlock(wanted, use_awaitable);
  });
  CHECK(all.run_until([&] { return waiting(cache) == 1; }));
  waits.set_value();
  all.run_until([] { return false; }, 500ms);
  CHECK(!got);
  async_unlock(held, asio::use_future).get();
  all.run();
  thread.join();
}
