// SPDX-License-Identifier: Apache-2.0
#include "locks/deadlock.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <shared_mutex>
#include <thread>

#include "dcache/dcache.hpp"
#include "locks/record_samples.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/worker.hpp"

using namespace dcache::locking;

namespace {

Hold held(char thread, std::uint64_t fence, Mode mode = Mode::exclusive, std::uint64_t count = 1) {
  Hold hold = hold_of(agent(thread), fence, mode, count);
  hold.owner = std::string("1-") + thread;
  return hold;
}

Wait waits(char thread, std::uint64_t ticket, Mode mode = Mode::exclusive, std::uint64_t count = 1) {
  Wait wait = wait_of(agent(thread, 9), ticket, mode, count);
  wait.owner = std::string("1-") + thread;
  return wait;
}

NamedRecord lock(const char* key, std::vector<Hold> holders, std::vector<Wait> waiters) {
  const Kind kind =
      !holders.empty() && holders.front().mode == Mode::permits ? Kind::semaphore : Kind::rwlock;
  return {key,
          {.kind = kind,
           .limit = kind == Kind::semaphore ? 2U : 1U,
           .holders = std::move(holders),
           .waiters = std::move(waiters)}};
}

std::string circle(const std::vector<NamedRecord>& records, std::uint64_t ticket,
                   const World& around = world()) {
  return in_words(find_circle(records, ticket, around));
}

}  // namespace

TEST_CASE("two threads that wait for each other are a circle, told to the one that waited last") {
  const std::vector<NamedRecord> records = {lock("a", {held('x', 1)}, {waits('y', 4)}),
                                            lock("b", {held('y', 2)}, {waits('x', 3)})};
  CHECK(circle(records, 4) == "'a' is held by 1-x, who waits for 'b', which is held by 1-y");
  CHECK(circle(records, 3) == "");
  CHECK(circle(records, 5) == "");
}

TEST_CASE("five in a circle are found, and who only waits behind them is not in it") {
  const std::vector<NamedRecord> records = {lock("1", {held('a', 1)}, {waits('e', 20)}),
                                            lock("2", {held('b', 2)}, {waits('a', 11)}),
                                            lock("3", {held('c', 3)}, {waits('b', 12)}),
                                            lock("4", {held('d', 4)}, {waits('c', 13), waits('z', 30)}),
                                            lock("5", {held('e', 5)}, {waits('d', 14)})};
  CHECK(find_circle(records, 20, world()).size() == 5);
  CHECK(circle(records, 30) == "");
  CHECK(circle(records, 11) == "");
}

TEST_CASE("nobody is in a circle with one who runs, whose lease ends, or who is dead") {
  std::vector<NamedRecord> records = {lock("a", {held('x', 1)}, {waits('y', 4)}),
                                      lock("b", {held('y', 2)}, {waits('x', 3)})};
  CHECK(circle({records[0]}, 4) == "");
  CHECK(circle(records, 4, world("x")) == "");
  CHECK(circle(records, 4, world("y")) == "");
  records[1].record.holders.front().lease = kNow + 100;
  CHECK(circle(records, 4) == "");
}

TEST_CASE("readers are in a writer's way, but not in each other's") {
  const auto s = Mode::shared;
  std::vector<NamedRecord> records = {lock("a", {held('x', 1, s), held('z', 2, s)}, {waits('y', 4)}),
                                      lock("b", {held('y', 3, s)}, {waits('x', 3, s)})};
  CHECK(circle(records, 4) == "");
  records[1].record.waiters.front().mode = Mode::exclusive;
  CHECK(find_circle(records, 4, world()).size() == 2);
}

TEST_CASE("a reader behind a waiting writer waits for whom the writer waits for") {
  const auto s = Mode::shared;
  const std::vector<NamedRecord> records = {lock("a", {held('r', 1, s)}, {waits('w', 3), waits('x', 5, s)}),
                                            lock("b", {held('x', 2)}, {waits('r', 4)})};
  CHECK(find_circle(records, 5, world()).size() == 3);
}

TEST_CASE("permits are a circle only if those outside of it are too few") {
  const auto p = Mode::permits;
  std::vector<NamedRecord> records = {lock("a", {held('x', 1, p), held('z', 2, p)}, {waits('y', 4, p)}),
                                      lock("b", {held('y', 3)}, {waits('x', 3)})};
  CHECK(circle(records, 4) == "");
  records[0].record.waiters.front().count = 2;
  CHECK(find_circle(records, 4, world()).size() == 2);
}

TEST_CASE_FIXTURE(OneCache, "two threads that lock in different orders: one is told, the other goes on") {
  SyncLock a(cache, "a", {.timeout = 60s});
  SyncLock b(cache, "b", {.timeout = 60s});
  a.lock();
  std::atomic<bool> holds = false;
  std::thread other([&] {
    SyncLock mine(cache, "b", {.timeout = 60s});
    mine.lock();
    holds = true;
    SyncLock wanted(cache, "a", {.timeout = 60s});
    wanted.lock();
  });
  while (!holds || locks(cache).front().waiters.empty()) std::this_thread::sleep_for(1ms);
  std::string text;
  try {
    b.lock();
  } catch (const Deadlock& error) {
    text = error.what();
  }
  CHECK(text.find("'b' is held by ") != std::string::npos);
  CHECK(text.find("waits for 'a', which is held by ") != std::string::npos);
  CHECK_FALSE(b.try_lock_for(300ms));
  a.unlock();
  other.join();
}

TEST_CASE_FIXTURE(OneCache, "threads that stand in line behind others of their process are seen too") {
  // Three wait for `a` in line; one of them holds `b`.
  SyncLock a(cache, "a");
  a.lock();
  std::vector<std::thread> threads;
  std::atomic<int> ready = 0;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      SyncLock own(cache, "b" + std::to_string(i), {.timeout = 60s});
      own.lock();
      ++ready;
      SyncLock wanted(cache, "a", {.timeout = 60s});
      wanted.lock();
    });
  }
  while (ready < 3 || locks(cache).front().waiters.size() < 3) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 3; ++i) {
    SyncLock wanted(cache, "b" + std::to_string(i), {.timeout = 60s});
    CHECK_THROWS_AS(wanted.lock(), Deadlock);
  }
  a.unlock();
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE_FIXTURE(OneCache, "threads that lock in one order are never told of a circle") {
  const int each = rounds(150);
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 8; ++seed) {
    threads.emplace_back([&, seed] {
      std::minstd_rand random(seed + 1);
      std::array<std::unique_ptr<SyncLock>, 6> all;
      for (std::size_t i = 0; i < all.size(); ++i) {
        all[i] = std::make_unique<SyncLock>(cache, "k" + std::to_string(i), LockOptions{.timeout = 120s});
      }
      for (int i = 0; i < each; ++i) {
        std::vector<SyncLock*> held;
        for (auto& one : all) {
          if (random() % 2 == 0) continue;
          one->lock();
          held.push_back(one.get());
          if (random() % 16 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(random() % 40));
        }
        for (SyncLock* one : held) one->unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(locks(cache).empty());
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "a circle of 2, 3 or 5 processes is found every time, by one of them") {
    for (const std::size_t count : {2U, 3U, 5U}) {
      std::vector<std::unique_ptr<Worker>> workers;
      for (std::size_t i = 0; i < count; ++i) {
        workers.push_back(std::make_unique<Worker>(std::vector<std::string>{"shell", path()}));
        REQUIRE(workers.back()->line() == "ready");
      }
      for (int round = 0; round < rounds(2); ++round) {
        for (std::size_t i = 0; i < count; ++i) {
          REQUIRE(workers[i]->ask("lock k" + std::to_string(i)).starts_with("held "));
        }
        for (std::size_t i = 0; i < count; ++i) workers[i]->say("lock k" + std::to_string((i + 1) % count));
        // Whoever is told lets go of its own, so that the one before it gets on, and so on round the circle.
        std::size_t told = count;
        for (std::size_t i = 0; told == count; i = (i + 1) % count) {
          if (const auto line = workers[i]->try_line(100ms)) {
            CHECK_MESSAGE(line->find("Deadlock") != std::string::npos, *line);
            told = i;
          }
        }
        for (std::size_t step = 0; step < count; ++step) {
          const std::size_t i = (told + count - step) % count;
          if (step > 0) CHECK(workers[i]->line().starts_with("held "));
          if (step > 0) CHECK(workers[i]->ask("release k" + std::to_string((i + 1) % count)) == "released");
          CHECK(workers[i]->ask("release k" + std::to_string(i)) == "released");
        }
        CHECK(locks(cache).empty());
      }
    }
  }
}
