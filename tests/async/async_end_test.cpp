// SPDX-License-Identifier: Apache-2.0
//
// Waits that end otherwise: cancelled, or with their coroutine, handle, executor or cache.
#include <asio/experimental/awaitable_operators.hpp>
#include <atomic>
#include <future>
#include <list>
#include <thread>

#include "async/coroutines.hpp"
#include "conformance/engines.hpp"

namespace {

/// What a callback was told.
struct Told {
  std::exception_ptr error;
  int times = 0;
  /// The text of the Cancelled that it was told.
  [[nodiscard]] std::string cancelled() const {
    REQUIRE(times == 1);
    return thrown<Cancelled>([&] {
      if (error) std::rethrow_exception(error);
    });
  }
};

/// A handler on `io` that notes what it is told.
auto into(Told& told, asio::io_context& io, asio::cancellation_signal& signal) {
  return asio::bind_cancellation_slot(signal.slot(),
                                      asio::bind_executor(io, [&told](std::exception_ptr error) {
                                        told.error = error;
                                        ++told.times;
                                      }));
}

/// A transaction of another thread, from here until it is to finish.
class LongWrite {
 public:
  explicit LongWrite(Cache& cache)
      : writer_([this, &cache] {
          std::string key = "a";  // of the shard in which locks are
          while (cache.state()->store().shard_of(key) != 0) key += 'a';
          cache.transact([&](Transaction& transaction) {
            transaction.set(key, "b");
            begun_.set_value();
            finish_.get_future().wait();
          });
        }) {
    begun_.get_future().wait();
  }
  void finish() {
    finish_.set_value();
    writer_.join();
  }

 private:
  std::promise<void> begun_;
  std::promise<void> finish_;
  std::thread writer_;
};

bool free_for(Cache& cache, const char* key) {
  return eventually([&] { return SyncLock(cache, key).try_lock(); });
}

}  // namespace

ENGINE_TEST("a wait that is cancelled ends with Cancelled and leaves no place in the queue") {
  Coroutines all;
  SyncLock holder(cache, "k");
  holder.lock();
  bool over = false;
  all.start([&]() -> Task {
    SyncLock lock(cache, "k", {.timeout = 60s});
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    try {
      co_await async_lock(lock, use_awaitable);
      FAIL_CHECK("not cancelled");
    } catch (const Cancelled& error) {
      CHECK(has(error.what(), "lock 'k': the wait was cancelled"));
    }
    CHECK(!lock.owned());
    over = true;
  });
  REQUIRE(all.run_until([&] { return waiting(cache) == 1; }));
  all.cancel();
  CHECK(all.run_until([&] { return over; }));
  CHECK(eventually([&] { return waiting(cache) == 0; }));
  holder.unlock();
  CHECK(free_for(cache, "k"));
}

ENGINE_TEST("one who is cancelled in the middle of the line leaves the others in it") {
  Coroutines all;
  SyncLock holder(cache, "k");
  holder.lock();
  int got = 0;
  int cancelled = 0;
  for (int i = 0; i < 5; ++i) {
    all.start([&]() -> Task {
      SyncLock lock(cache, "k", {.timeout = 60s});
      try {
        co_await async_lock(lock, use_awaitable);
        ++got;
        co_await async_unlock(lock, use_awaitable);
      } catch (const Cancelled&) {
        ++cancelled;
      }
    });
    all.run_until([] { return false; }, 10ms);
    if (i == 0 || i == 2) all.cancel();
  }
  CHECK(all.run_until([&] { return cancelled == 2; }));
  holder.unlock();
  all.run();
  CHECK(got == 3);
}

ENGINE_TEST("whatever is waited for, and in whatever place, cancelling alone ends the wait") {
  asio::io_context io;
  SyncLock holder(cache, "k");
  SyncLock computing(cache, "get_or_set:v");
  holder.lock();
  computing.lock();
  const auto unwanted = []() -> std::string { throw std::logic_error("nobody is to compute"); };
  std::chrono::nanoseconds longest{};
  for (int round = 0; round < 5; ++round) {
    std::list<SyncLock> handles;
    std::list<asio::cancellation_signal> signals;
    int told = 0;
    const auto token = [&](std::string name) {
      return asio::bind_cancellation_slot(
          signals.emplace_back().slot(),
          asio::bind_executor(io,
                              [&told, name = std::move(name)](const std::exception_ptr& error, auto&&...) {
                                CHECK(has(thrown<Cancelled>([&] { std::rethrow_exception(error); }), name));
                                ++told;
                              }));
    };
    // The first two for the lock are in its queue and in line; those of get_or_set in a queue and by
    // themselves.
    for (int i = 0; i < 3; ++i) {
      async_lock(handles.emplace_back(cache, "k", LockOptions{.timeout = forever}), token("lock 'k'"));
      async_get_or_set(cache, "v", unwanted, {.timeout = forever}, token("get_or_set of 'v'"));
    }
    REQUIRE(eventually([&] { return waiting(cache) == 2; }));
    if (round % 2 == 1) signals.reverse();
    int cancelled = 0;
    for (asio::cancellation_signal& signal : signals) {
      const auto start = std::chrono::steady_clock::now();
      signal.emit(asio::cancellation_type::terminal);
      io.restart();
      REQUIRE(io.run_one_for(20s) == 1);
      longest = std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - start);
      REQUIRE(told == ++cancelled);
    }
    CHECK(eventually([&] { return waiting(cache) == 0; }));
  }
  MESSAGE("the longest time from cancelling to its handler: " << longest.count() / 1000 << " us");
  CHECK(holder.owned());
  CHECK(computing.owned());
}

ENGINE_TEST("a wait that is cancelled ends also while the thread that leads all waits is held up") {
  asio::io_context io;
  std::list<asio::cancellation_signal> signals(2);
  std::promise<void> gate;
  std::atomic<bool> held_up = false;
  SyncLock holder(cache, "k");
  holder.lock();
  const auto hold_up = [&, here = std::this_thread::get_id()](const Holder&, Duration) {
    if (std::this_thread::get_id() == here || held_up.exchange(true)) return;
    gate.get_future().wait();
  };
  SyncLock slow(cache, "k", {.timeout = forever, .on_wait = hold_up});
  SyncLock lock(cache, "k", {.timeout = forever});
  Told told_slow;
  Told told;
  async_lock(slow, into(told_slow, io, signals.front()));
  async_lock(lock, into(told, io, signals.back()));
  REQUIRE(eventually([&] { return held_up.load(); }));
  signals.back().emit(asio::cancellation_type::terminal);
  CHECK(io.run_one_for(20s) == 1);
  CHECK(has(told.cancelled(), "lock 'k'"));
  gate.set_value();
  io.restart();
  signals.front().emit(asio::cancellation_type::terminal);
  io.run();
  CHECK(has(told_slow.cancelled(), "lock 'k'"));
  CHECK(holder.owned());
}

ENGINE_TEST("what is cancelled before it was begun takes nothing") {
  SyncLock lock(cache, "other");
  detail::Pending pending = detail::Pending::lock(lock, std::nullopt);
  pending.cancel();
  CHECK(pending.start([] { FAIL_CHECK("ready"); }));
  CHECK(has(thrown<Cancelled>([&] { static_cast<void>(pending.take()); }), "lock 'other'"));
  CHECK(locks(cache).empty());
}

ENGINE_TEST("a grant that came before it was cancelled, but had not been told, is given back") {
  asio::io_context io;
  asio::cancellation_signal signal;
  Told told;
  SyncLock lock(cache, "k");
  async_lock(lock, into(told, io, signal));
  CHECK(lock.locked());
  signal.emit(asio::cancellation_type::total);
  io.run();
  CHECK(has(told.cancelled(), "lock 'k'"));
  CHECK(!lock.locked());
  // Too late is too late.
  Told again;
  async_lock(lock, into(again, io, signal));
  io.restart();
  io.run();
  signal.emit(asio::cancellation_type::total);
  CHECK(again.times == 1);
  CHECK(!again.error);
  CHECK(lock.owned());
}

ENGINE_TEST("with a timer beside it, the one that is over first wins, and a lock that lost is not held") {
  using asio::experimental::awaitable_operators::operator||;
  SyncLock holder(cache, "k");
  holder.lock();
  await([&]() -> Task {
    SyncLock lock(cache, "k", {.timeout = 60s});
    const auto first = co_await (async_lock(lock, use_awaitable) || pause(30ms));
    CHECK(first.index() == 1);
    CHECK(!lock.owned());
    holder.unlock();
    const auto second = co_await (async_lock(lock, use_awaitable) || pause(60s));
    CHECK(second.index() == 0);
    CHECK(lock.owned());
  });
}

ENGINE_TEST("a handle that is destroyed while it is waited for cancels the wait") {
  asio::io_context io;
  asio::cancellation_signal signal;
  Told told;
  SyncLock holder(cache, "k");
  holder.lock();
  auto lock = std::make_unique<SyncLock>(cache, "k", LockOptions{.timeout = 60s});
  async_lock(*lock, into(told, io, signal));
  REQUIRE(eventually([&] { return waiting(cache) == 1; }));
  lock.reset();
  io.run();
  CHECK(has(told.cancelled(), "lock 'k'"));
  CHECK(eventually([&] { return waiting(cache) == 0; }));
  holder.unlock();
  CHECK(free_for(cache, "k"));
}

ENGINE_TEST("an io_context that is destroyed takes its coroutines along, and nothing waits or is held") {
  SyncLock holder(cache, "k");
  holder.lock();
  SyncLock outside(cache, "k", {.timeout = 60s});
  SyncLock granted(cache, "g");
  int begun = 0;
  int destroyed = 0;
  struct Noted {
    explicit Noted(int& all) : count(all) {}
    Noted(const Noted&) = delete;
    Noted& operator=(const Noted&) = delete;
    ~Noted() { ++count; }
    int& count;
  };
  {
    Coroutines all;
    for (int i = 0; i < 5; ++i) {
      all.start([&]() -> Task {
        const Noted noted(destroyed);
        SyncLock lock(cache, "k", {.timeout = 60s});
        ++begun;
        co_await async_lock(lock, use_awaitable);
        FAIL_CHECK("resumed");
      });
    }
    const auto told = [noted = std::make_shared<Noted>(destroyed)](std::exception_ptr) {
      FAIL_CHECK("called");
    };
    async_lock(outside, asio::bind_executor(all.io, told));
    REQUIRE(all.run_until([&] { return begun == 5 && waiting(cache) == 1; }));
    async_lock(granted, asio::bind_executor(all.io, told));
    CHECK(granted.locked());
  }
  CHECK(destroyed == 6);
  CHECK(!granted.locked());
  CHECK(eventually([&] { return waiting(cache) == 0; }));
  holder.unlock();
  CHECK(free_for(cache, "k"));
  CHECK(!outside.owned());
}

ENGINE_TEST("an executor that stands still keeps no lock: when it goes on it gets it anew") {
  Coroutines all;
  SyncLock holder(cache, "k");
  holder.lock();
  SyncLock lock(cache, "k", {.timeout = 60s});
  SyncLock at_once(cache, "a", {.timeout = 60s});
  int got = 0;
  auto count = asio::bind_executor(all.io, [&](std::exception_ptr error) {
    CHECK(!error);
    ++got;
  });
  async_lock(at_once, count);
  async_lock(lock, count);
  all.io.stop();
  holder.unlock();
  // It is granted, and after a second given back.
  REQUIRE(eventually([&] { return lock.owned(); }));
  SyncLock other(cache, "k");
  REQUIRE(eventually([&] { return other.try_lock(); }));
  CHECK(free_for(cache, "a"));
  CHECK(got == 0);
  CHECK(all.run_until([&] { return got == 1; }));
  CHECK(at_once.owned());
  other.unlock();
  all.run();
  CHECK(got == 2);
  CHECK(lock.owned());
  CHECK(lock.fence() > other.fence());
}

ENGINE_TEST("an executor that stood still is told all the same that the holder before it was not well") {
  asio::io_context io;
  SyncLock late(cache, "k", {.lease = 20ms});
  late.lock();
  SyncLock next(cache, "k", {.timeout = 60s});
  bool held = false;
  async_lock(next, asio::bind_executor(io, [&](const std::exception_ptr& error) { held = !error; }));
  // It is granted when the lease is over, and given back a second later.
  REQUIRE(eventually([&] { return next.owned(); }));
  REQUIRE(eventually([&] { return !next.owned(); }));
  CHECK(io.run_one_for(20s) == 1);
  while (!held && io.run_one_for(20s) == 1) {
  }
  REQUIRE(held);
  CHECK(next.previous_owner_died());
}

ENGINE_TEST("a store that is busy holds up no executor, and a wait for it can be cancelled") {
  Coroutines all;
  LongWrite busy(cache);
  asio::cancellation_signal signal;
  Told told;
  SyncLock never(cache, "never", {.timeout = 60s});
  SyncLock lock(cache, "k", {.timeout = 60s});
  async_lock(never, into(told, all.io, signal));
  bool got = false;
  all.start([&]() -> Task {
    co_await async_lock(lock, use_awaitable);
    co_await async_unlock(lock, use_awaitable);
    got = true;
  });
  all.run_until([] { return false; }, 100ms);
  CHECK(!got);
  signal.emit(asio::cancellation_type::terminal);
  CHECK(all.run_until([&] { return told.times == 1; }));
  busy.finish();
  all.run();
  CHECK(got);
  CHECK(has(told.cancelled(), "lock 'never'"));
  CHECK(locks(cache).empty());
}

ENGINE_TEST("an unlock goes on without its executor") {
  SyncLock lock(cache, "k");
  lock.lock();
  LongWrite busy(cache);
  {
    asio::io_context io;
    async_unlock(lock, asio::bind_executor(io, [](std::exception_ptr) { FAIL_CHECK("called"); }));
  }
  busy.finish();
  CHECK(free_for(cache, "k"));
}

TEST_CASE("a cache that is closed while a coroutine waits stays open for it") {
  const TempDir dir;
  Coroutines all;
  auto cache = std::make_unique<Cache>(dir / "cache");
  SyncLock holder(*cache, "k");
  holder.lock();
  bool got = false;
  all.start([&]() -> Task {
    SyncLock lock(*cache, "k", {.timeout = 60s});
    co_await async_lock(lock, use_awaitable);
    got = true;
  });
  all.run_until([] { return false; }, 20ms);
  cache.reset();
  holder.unlock();
  all.run();
  CHECK(got);
}
