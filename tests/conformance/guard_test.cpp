// SPDX-License-Identifier: Apache-2.0
//
// Writes that are done only while a lock is held.
#include <functional>
#include <future>
#include <mutex>

#include "conformance/engines.hpp"
#include "dcache/lock.hpp"
#include "support/outcome.hpp"

namespace {

struct GuardedCall {
  std::string name;
  std::function<void(Cache&, const Guard&)> run;
};

/// An exception on the way here is not caught, as CHECK would do.
void expect(bool done) { CHECK(done); }

/// Every call that takes a guard, each of which would change something if it were done.
std::vector<GuardedCall> guarded_calls() {
  const auto from = [left = std::make_shared<int>(0)](std::span<std::byte> room) {
    *left = *left == 0 ? 100'000 : *left;
    const std::size_t n = std::min<std::size_t>(room.size(), static_cast<std::size_t>(*left) - 1);
    std::fill_n(room.begin(), n, std::byte{'x'});
    *left = *left - static_cast<int>(n);
    return n;
  };
  return {
      {"set", [](Cache& cache, const Guard& guard) { cache.set("old", "new", {.guard = guard}); }},
      {"set, large",
       [](Cache& cache, const Guard& guard) {
         cache.set("old", std::string(100'000, 'x'), {.guard = guard});
       }},
      {"set_from",
       [from](Cache& cache, const Guard& guard) { cache.set_from("old", from, {.guard = guard}); }},
      {"set_many",
       [](Cache& cache, const Guard& guard) {
         cache.set_many({{"old", "1"}, {"new", "2"}}, {.guard = guard});
       }},
      {"add", [](Cache& cache, const Guard& guard) { expect(cache.add("new", "v", {.guard = guard})); }},
      {"replace",
       [](Cache& cache, const Guard& guard) { expect(cache.replace("old", "v", "w", {.guard = guard})); }},
      {"erase", [](Cache& cache, const Guard& guard) { expect(cache.erase("old", {.guard = guard})); }},
      {"pop", [](Cache& cache, const Guard& guard) { expect(cache.pop("old", {.guard = guard}) == "v"); }},
      {"touch", [](Cache& cache, const Guard& guard) { expect(cache.touch("old", 1h, {.guard = guard})); }},
      {"incr",
       [](Cache& cache, const Guard& guard) { expect(cache.incr("n", 1, 0, {.guard = guard}) == 8); }},
      {"transact",
       [](Cache& cache, const Guard& guard) {
         cache.transact([](Transaction& transaction) { transaction.set("old", "w"); }, {.guard = guard});
       }},
      {"set in transact",
       [](Cache& cache, const Guard& guard) {
         cache.transact([&](Transaction& transaction) { transaction.set("old", "w", {.guard = guard}); });
       }},
  };
}

void fill(Cache& cache) {
  cache.clear();
  cache.set("old", "v");
  cache.set("n", "7");
}

/// What is stored, with the ends of lives.
std::vector<std::string> contents(const Cache& cache) {
  std::vector<std::string> all;
  for (const Entry& entry : cache.entries()) {
    all.push_back(entry.key + "=" + entry.value + (entry.expires ? " expires" : ""));
  }
  return all;
}

void check_all_done(Cache& cache, const Guard& guard) {
  for (const GuardedCall& call : guarded_calls()) {
    CAPTURE(call.name);
    fill(cache);
    const auto before = contents(cache);
    CHECK_NOTHROW(call.run(cache, guard));
    CHECK(contents(cache) != before);
  }
}

template <class Why = LockLost>
void check_all_refused(Cache& cache, const Guard& guard) {
  for (const GuardedCall& call : guarded_calls()) {
    CAPTURE(call.name);
    fill(cache);
    const auto before = contents(cache);
    CHECK_THROWS_AS(call.run(cache, guard), Why);
    CHECK(contents(cache) == before);
  }
}

}  // namespace

ENGINE_TEST("while its lock is held a guarded write is done") {
  SyncLock lock(cache, "k");
  lock.lock();
  check_all_done(cache, lock);
  SyncRLock rlock(cache, "r");
  rlock.lock();
  rlock.lock();
  check_all_done(cache, rlock);
  rlock.unlock();
  check_all_done(cache, rlock);
  // The thread holds it, whichever handle asks.
  SyncRLock same(cache, "r");
  check_all_done(cache, same);
}

ENGINE_TEST("what would change nothing is LockLost as well when its lock is not held") {
  fill(cache);
  const SyncLock lock(cache, "k");
  CHECK_THROWS_AS(static_cast<void>(cache.add("old", "w", {.guard = lock})), LockLost);
  CHECK_THROWS_AS(static_cast<void>(cache.replace("old", "other", "w", {.guard = lock})), LockLost);
  CHECK_THROWS_AS(static_cast<void>(cache.replace("absent", "v", "w", {.guard = lock})), LockLost);
  CHECK_THROWS_AS(cache.erase("absent", {.guard = lock}), LockLost);
  CHECK_THROWS_AS(static_cast<void>(cache.pop("absent", {.guard = lock})), LockLost);
  CHECK_THROWS_AS(cache.touch("absent", 1h, {.guard = lock}), LockLost);
}

ENGINE_TEST("when its lock is no longer held a guarded write is LockLost and changes nothing") {
  SyncLock lock(cache, "k", {.lease = 1h});
  lock.lock();
  const Guard guard = lock;
  SUBCASE("released") { lock.unlock(); }
  SUBCASE("released, and taken again by the same handle") {
    lock.unlock();
    CHECK(lock.try_lock());
  }
  SUBCASE("cleared by force") {
    CHECK(clear_lock(cache, "k", {.fence = lock.fence(), .force = true}) == Cleared::cleared);
  }
  check_all_refused(cache, guard);
}

ENGINE_TEST("when the lease of its lock is over a guarded write is LockLost and changes nothing") {
  SyncLock lock(cache, "k", {.lease = 20ms});
  lock.lock();
  const Guard guard = lock;
  std::this_thread::sleep_for(30ms);
  check_all_refused(cache, guard);
  SyncLock next(cache, "k");
  next.lock();
  check_all_refused(cache, guard);
}

ENGINE_TEST("a guard of a lock that is not held never holds") {
  SyncLock lock(cache, "k");
  check_all_refused(cache, lock);
  SyncLock holder(cache, "k");
  holder.lock();
  check_all_refused(cache, lock);
  std::unique_lock<SyncLock> none;
  check_all_refused(cache, none);
  std::unique_lock<SyncLock> later(lock, std::defer_lock);
  check_all_refused(cache, later);
  holder.unlock();
  later.lock();
  check_all_done(cache, later);
}

ENGINE_TEST("a re-entrant lock guards the writes of its own thread only") {
  SyncRLock rlock(cache, "r");
  rlock.lock();
  std::async(std::launch::async, [&] { check_all_refused(cache, rlock); }).get();
  check_all_done(cache, rlock);
}

ENGINE_TEST("a guard of another cache is InvalidArgument") {
  Subject elsewhere = another();
  SyncLock lock(elsewhere.cache, "k");
  lock.lock();
  check_all_refused<InvalidArgument>(cache, lock);
}

ENGINE_TEST("a lock whose record is damaged or gone guards nothing") {
  SyncLock lock(cache, "k");
  lock.lock();
  const Guard guard = lock;
  store().update_record(
      Space::locks, "k",
      [](const std::string*, std::uint64_t) -> RecordChange {
        return {.kind = RecordChange::Kind::put, .bytes = "{}"};
      },
      kNoDeadline);
  check_all_refused(cache, guard);
}
