// SPDX-License-Identifier: Apache-2.0
//
// Processes that cannot see each other's pids, as in two containers, on one directory.
#include <csignal>
#include <filesystem>
#include <memory>

#include "dcache/lock.hpp"
#include "support/arena.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

namespace {

std::optional<Worker> contained(const std::vector<std::string>& arguments) {
  std::vector<std::string> all{"--pid-namespace"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  Worker worker(all);
  if (worker.line() == "ready") return worker;
  MESSAGE("skipped: pid namespaces are not permitted here");
  return std::nullopt;
}

}  // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(OneCache,
                  "a holder in another pid namespace is alive until it is killed, and then taken over") {
  for (int round = 0; round < rounds(3); ++round) {
    std::optional<Worker> one = contained({"shell", path()});
    std::optional<Worker> two = contained({"shell", path()});
    if (!one || !two) return;
    // Both are process 1: a pid says nothing.
    REQUIRE(one->ask("lock one").starts_with("held"));
    REQUIRE(two->ask("lock two").starts_with("held"));
    const std::vector<LockInfo> all = locks(cache);
    REQUIRE(all.size() == 2);
    for (const LockInfo& info : all) {
      CHECK(info.holders.at(0).pid == 1);
      CHECK(info.holders.at(0).state == Liveness::alive);
    }
    for (Worker* worker : {&*one, &*two}) CHECK(worker->ask("locks") == "one-alive two-alive");
    SyncLock lock(cache, "one");
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(lock.try_lock_for(200ms));
    CHECK(clear_lock(cache, "one") == Cleared::refused);

    two->say("lock one");
    CHECK(two->try_line(200ms) == std::nullopt);
    // Its input stays open, so that it is the signal that ends it.
    one->signal(SIGKILL);
    const std::string got = two->line();
    CHECK(got.starts_with("held"));
    CHECK(has(got, "died"));
    two->signal(SIGKILL);
    CHECK(lock.try_lock_for(10s));
    CHECK(lock.previous_owner_died());
    CHECK(lock.release() == Release::released);
    CHECK(clear_lock(cache, "two") == Cleared::cleared);
    CHECK(locks(cache).empty());
  }
}

TEST_CASE_FIXTURE(OneCache, "a holder of whom nothing can be proven is never taken over") {
  std::optional<Worker> holder = contained({"shell", path()});
  if (!holder) return;
  REQUIRE(holder->ask("lock k").starts_with("held"));
  // Another file says nothing about it, and neither does a pid of another namespace.
  std::filesystem::remove(dir / "cache" / "life");
  for (const bool inside : {false, true}) {
    std::vector<std::string> arguments{"shell", path()};
    if (inside) arguments.insert(arguments.begin(), "--pid-namespace");
    Worker late(arguments);
    REQUIRE(late.line() == "ready");
    late.say("lock k");
    CHECK(late.try_line(200ms) == std::nullopt);
  }
  CHECK(holder->ask("owned k") == "yes");
  CHECK(holder->ask("release k") == "released");
}

TEST_CASE_FIXTURE(OneCache, "processes of several pid namespaces are never in the same lock at once") {
  if (!contained({"shell", path()})) return;
  MappedArena arena(dir / "arena");
  const int each = rounds(2'000);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int member = 0; member < 4; ++member) {
    std::vector<std::string> arguments{
        "storm", path(), "k", "mixed", dir / "arena", std::to_string(member), "1", std::to_string(each),
        "0",     "1"};
    if (member > 0) arguments.insert(arguments.begin(), "--pid-namespace");
    workers.push_back(std::make_unique<Worker>(arguments));
  }
  for (const auto& worker : workers) {
    CHECK(worker->rest() == std::vector<std::string>{"done"});
    CHECK(worker->wait() == 0);
  }
  CHECK(arena->overlaps == 0);
  CHECK(arena->backwards == 0);
  CHECK(arena->counter == static_cast<std::uint64_t>(4 * each));
  CHECK(cache.stats().locks == 0);
}

TEST_SUITE_END();
