// SPDX-License-Identifier: Apache-2.0
//
// SyncLock: what a standard lock does, within one process.
#include <future>
#include <mutex>

#include "dcache/lock.hpp"
#include "platform/process.hpp"
#include "support/check.hpp"

namespace {

/// Runs `f` on another thread and returns what it returns.
}  // namespace

TEST_CASE_FIXTURE(OneCache, "a lock is held from lock to unlock") {
  SyncLock lock(cache, "k");
  CHECK_FALSE(lock.locked());
  CHECK_FALSE(lock.owned());
  CHECK(lock.fence() == 0);
  CHECK(lock.holder() == std::nullopt);
  lock.lock();
  CHECK(lock.locked());
  CHECK(lock.owned());
  CHECK(lock.fence() > 0);
  CHECK_FALSE(lock.previous_owner_died());
  lock.unlock();
  CHECK_FALSE(lock.locked());
  CHECK_FALSE(lock.owned());
  CHECK_FALSE(lock.lost());
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(
    OneCache, "another handle does not get it, on this thread or another, in this cache object or another") {
  Cache second(path());
  SyncLock lock(cache, "k");
  SyncLock same(cache, "k");
  SyncLock other(second, "k");
  lock.lock();
  CHECK_FALSE(same.try_lock());
  CHECK_FALSE(other.try_lock());
  CHECK_FALSE(elsewhere([&] { return other.try_lock(); }));
  CHECK(same.locked());
  CHECK_FALSE(same.owned());
  lock.unlock();
  CHECK(other.try_lock());
  CHECK_FALSE(lock.try_lock());
  CHECK(other.fence() > lock.fence());
}

TEST_CASE_FIXTURE(OneCache, "locks of other keys and of other directories are other locks") {
  const TempDir elsewhere_dir;
  Cache other(elsewhere_dir / "cache");
  SyncLock a(cache, "a");
  SyncLock b(cache, "b");
  SyncLock c(other, "a");
  SyncLock empty(cache, "");
  SyncLock bytes(cache, std::string("a\0", 2));
  for (SyncLock* lock : {&a, &b, &c, &empty, &bytes}) CHECK(lock->try_lock());
  CHECK(locks(cache).size() == 4);
}

TEST_CASE_FIXTURE(OneCache, "scoped_lock and unique_lock work, deferred, tried and timed") {
  SyncLock lock(cache, "k");
  SyncLock rival(cache, "k");
  {
    const std::scoped_lock hold(lock);
    CHECK_FALSE(rival.try_lock());
    const std::unique_lock tried(rival, std::try_to_lock);
    CHECK_FALSE(tried.owns_lock());
    const std::unique_lock timed(rival, 30ms);
    CHECK_FALSE(timed.owns_lock());
    const std::unique_lock until(rival, std::chrono::system_clock::now() + 30ms);
    CHECK_FALSE(until.owns_lock());
  }
  CHECK_FALSE(lock.locked());
  std::unique_lock deferred(lock, std::defer_lock);
  CHECK_FALSE(deferred.owns_lock());
  deferred.lock();
  CHECK(lock.owned());
  CHECK_THROWS_AS(deferred.lock(), std::system_error);
  deferred.unlock();
  CHECK(deferred.try_lock_for(1s));
  CHECK_FALSE(rival.try_lock_until(std::chrono::steady_clock::now() - 1h));
}

TEST_CASE_FIXTURE(OneCache, "std::lock takes two in any order without coming to a stop") {
  const auto work = [&](const char* first, const char* second) {
    SyncLock one(cache, first);
    SyncLock two(cache, second);
    for (int i = 0; i < 40; ++i) {
      std::lock(one, two);
      const std::lock_guard hold_one(one, std::adopt_lock);
      const std::lock_guard hold_two(two, std::adopt_lock);
      CHECK(cache.incr("inside") == 1);
      CHECK(cache.incr("inside", -1) == 0);
    }
  };
  std::thread there(work, "b", "a");
  work("a", "b");
  there.join();
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(OneCache, "trying for no time, or less, is one try") {
  SyncLock lock(cache, "k");
  SyncLock rival(cache, "k");
  for (const Duration limit : {Duration(0s), Duration(-5s), Duration(std::chrono::hours::min())}) {
    CHECK(lock.try_lock_for(limit));
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(rival.try_lock_for(limit));
    CHECK(std::chrono::steady_clock::now() - start < 1s);
    lock.unlock();
  }
  using Hours = std::chrono::time_point<std::chrono::system_clock, std::chrono::hours>;
  CHECK(lock.try_lock_until(std::chrono::steady_clock::time_point::min()));
  CHECK_FALSE(rival.try_lock_until(Hours::min()));
  lock.unlock();
  CHECK(lock.try_lock_until(Hours::max()));
  lock.unlock();
  CHECK(lock.try_lock_until(std::chrono::steady_clock::time_point::max()));
  lock.unlock();
  CHECK(lock.try_lock_for(std::chrono::hours::max()));
}

TEST_CASE_FIXTURE(OneCache,
                  "a lock that is not to be had in time is a Timeout that names key, holder and label") {
  SyncLock lock(cache, "rep\x1bort", {.label = "nightly\nrun"});
  SyncLock rival(cache, "rep\x1bort", {.timeout = 80ms});
  lock.lock();
  const auto start = std::chrono::steady_clock::now();
  const std::string text = thrown<Timeout>([&] { rival.lock(); });
  CHECK(std::chrono::steady_clock::now() - start >= 80ms);
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(has(text, "rep\\x1bort"));
  CHECK(has(text, path()));
  CHECK(has(text, std::to_string(platform::pid()) + "-" + std::to_string(platform::tid())));
  CHECK(has(text, "nightly\\x0arun"));
  CHECK(has(text, "0.08"));
  // A timeout of 0 is one try.
  SyncLock hasty(cache, "rep\x1bort", {.timeout = 0s});
  CHECK_THROWS_AS(hasty.lock(), Timeout);
  lock.unlock();
  CHECK_NOTHROW(hasty.lock());
}

TEST_CASE_FIXTURE(OneCache, "max_tries ends the wait early") {
  SyncLock lock(cache, "k");
  lock.lock();
  for (const std::uint64_t tries : {1U, 3U}) {
    SyncLock rival(cache, "k", {.timeout = 60s, .max_tries = tries});
    const auto start = std::chrono::steady_clock::now();
    CHECK(has(thrown<Timeout>([&] { rival.lock(); }), std::to_string(tries) + " tries"));
    CHECK(std::chrono::steady_clock::now() - start < 5s);
  }
}

TEST_CASE_FIXTURE(OneCache,
                  "locking again what this handle and thread hold is a Deadlock at once; trying is false") {
  SyncLock lock(cache, "k");
  lock.lock();
  const auto start = std::chrono::steady_clock::now();
  CHECK(has(thrown<Deadlock>([&] { lock.lock(); }), "SyncRLock"));
  std::stop_source source;
  CHECK_THROWS_AS(lock.lock(source.get_token()), Deadlock);
  CHECK_FALSE(lock.try_lock());
  CHECK_FALSE(lock.try_lock_for(1min));
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(lock.owned());
  lock.unlock();
  CHECK_NOTHROW(lock.lock());
}

TEST_CASE_FIXTURE(OneCache, "a handle that threads share keeps them apart, as a mutex does") {
  SyncLock lock(cache, "k", {.timeout = 60s});
  int inside = 0;
  int most = 0;
  const auto work = [&] {
    for (int i = 0; i < 400; ++i) {
      const std::scoped_lock hold(lock);
      most = std::max(most, ++inside);
      if (i % 8 == 0) std::this_thread::yield();
      --inside;
    }
  };
  // With the cores busy a thread is often interrupted between its grant and the noting of it.
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    busy.emplace_back([&] {
      while (!stop) {
      }
    });
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  stop = true;
  for (std::thread& thread : busy) thread.join();
  CHECK(most == 1);
  CHECK(cache.stats().locks == 0);
}

TEST_CASE_FIXTURE(OneCache,
                  "asking whether it is owned while another thread takes and releases tells no loss") {
  std::atomic<int> lost{0};
  SyncLock lock(cache, "k", {.on_lost = [&](const std::string&, std::uint64_t) { ++lost; }});
  std::atomic<bool> stop{false};
  std::thread asker([&] {
    while (!stop) static_cast<void>(lock.owned());
  });
  for (int i = 0; i < 2000; ++i) {
    lock.lock();
    CHECK(lock.release() == Release::released);
  }
  stop = true;
  asker.join();
  CHECK(lost == 0);
}

TEST_CASE_FIXTURE(OneCache, "a transaction may ask a lock for its fence while another thread releases it") {
  SyncLock lock(cache, "k");
  lock.lock();
  std::promise<void> writing;
  auto writer = std::async(std::launch::async, [&] {
    cache.transact([&](Transaction& transaction) {
      transaction.set("keeps", "the store");
      writing.set_value();
      std::this_thread::sleep_for(50ms);
      transaction.set("fence", std::to_string(lock.fence()), {.guard = lock});
    });
  });
  writing.get_future().wait();
  CHECK(lock.release() == Release::released);
  CHECK_NOTHROW(writer.get());
  CHECK(cache.get("fence") == std::to_string(lock.fence()));
}

TEST_CASE_FIXTURE(OneCache, "any thread may release through the handle that holds it") {
  SyncLock lock(cache, "k");
  lock.lock();
  CHECK(elsewhere([&] { return lock.release(); }) == Release::released);
  CHECK_FALSE(lock.locked());
  lock.lock();
  elsewhere([&] {
    lock.unlock();
    return 0;
  });
  CHECK_FALSE(lock.owned());
}

TEST_CASE_FIXTURE(OneCache, "a handle that is destroyed or assigned to gives back what it holds") {
  SyncLock rival(cache, "k");
  {
    SyncLock lock(cache, "k");
    lock.lock();
    CHECK_FALSE(rival.try_lock());
  }
  CHECK(rival.try_lock());
  rival.unlock();

  SyncLock lock(cache, "k");
  lock.lock();
  SyncLock moved = std::move(lock);
  CHECK(moved.owned());
  CHECK_FALSE(rival.try_lock());
  moved = SyncLock(cache, "other");
  CHECK(rival.try_lock());
}

TEST_CASE_FIXTURE(OneCache, "a lock outlives its Cache object") {
  SyncLock lock(cache, "k");
  { const Cache closed = std::move(cache); }
  lock.lock();
  Cache again(path());
  CHECK_FALSE(SyncLock(again, "k").try_lock());
  CHECK(lock.release() == Release::released);
  CHECK(SyncLock(again, "k").try_lock());
}

TEST_CASE_FIXTURE(OneCache, "a stop request ends a wait within 100 ms with Cancelled, and nothing is held") {
  SyncLock lock(cache, "k");
  lock.lock();
  SyncLock rival(cache, "k", {.timeout = forever, .backoff = {.base = 10s, .cap = 10s}});
  std::stop_source source;
  // A machine with other work may take longer once, but not each time.
  bool in_time = false;
  for (int i = 0; i < 5 && !in_time; ++i) {
    source = {};
    std::atomic<std::chrono::steady_clock::time_point> stopped{};
    std::thread stopper([&] {
      std::this_thread::sleep_for(100ms);
      stopped = std::chrono::steady_clock::now();
      source.request_stop();
    });
    CHECK(has(thrown<Cancelled>([&] { rival.lock(source.get_token()); }), "'k'"));
    in_time = std::chrono::steady_clock::now() - stopped.load() < 100ms;
    stopper.join();
  }
  CHECK(in_time);
  CHECK_FALSE(rival.owned());
  CHECK(lock.owned());
  CHECK_THROWS_AS(rival.lock(source.get_token()), Cancelled);
  lock.unlock();
  std::stop_source unused;
  CHECK_NOTHROW(rival.lock(unused.get_token()));
}

TEST_CASE_FIXTURE(OneCache, "the holder is told with all that is known about it") {
  SyncLock lock(cache, "k", {.lease = 1h, .tags = {"b", "a"}, .label = "label"});
  const Timestamp before = std::chrono::system_clock::now() - 1ms;
  lock.lock();
  const Holder holder = SyncLock(cache, "k").holder().value();
  CHECK(holder.owner == std::to_string(platform::pid()) + "-" + std::to_string(platform::tid()));
  CHECK(holder.pid == platform::pid());
  CHECK(holder.tid == platform::tid());
  CHECK(holder.count == 1);
  CHECK(holder.fence == lock.fence());
  CHECK(holder.since >= before);
  CHECK(holder.since <= Timestamp(std::chrono::system_clock::now()));
  REQUIRE(holder.lease_left.has_value());
  CHECK(*holder.lease_left <= Duration(1h));
  CHECK(*holder.lease_left > Duration(59min));
  CHECK(holder.label == "label");
  CHECK(holder.tags == std::vector<std::string>{"a", "b"});
  CHECK(holder.state == Liveness::alive);
  CHECK(lock.key() == "k");
  CHECK(lock.options().label == "label");
}
