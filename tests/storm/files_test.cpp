// SPDX-License-Identifier: Apache-2.0
//
// The hints and the proof of life, deleted or replaced under those who use them.
#include <filesystem>
#include <memory>

#include "dcache/lock.hpp"
#include "support/arena.hpp"
#include "support/check.hpp"
#include "support/files.hpp"
#include "support/worker.hpp"

namespace {

enum class Harm { removed, garbage, empty };

/// Puts another file in the place of one, as a rename does; who has the old one keeps it.
void harm(const std::filesystem::path& file, Harm what) {
  std::filesystem::remove(file);
  if (what == Harm::removed) return;
  write_file(file, what == Harm::garbage ? std::string(100'000, '\xA5') : "");
  std::filesystem::permissions(file,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

constexpr Harm kHarms[] = {Harm::removed, Harm::garbage, Harm::empty};

Worker shell(const std::string& path) {
  Worker worker({"shell", path});
  REQUIRE(worker.line() == "ready");
  return worker;
}

/// Who of them gets the lock first, and what it says.
std::string first_answer(const std::vector<Worker*>& waiting, Worker*& who) {
  std::string answer;
  const bool answered = eventually(
      [&] {
        for (Worker* one : waiting) {
          const auto line = one->try_line(0ms);
          if (!line) continue;
          answer = *line;
          who = one;
          return true;
        }
        return false;
      },
      20s);
  REQUIRE(answered);
  CHECK(answer.starts_with("held"));
  return answer;
}

}  // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(OneCache,
                  "a lock is kept, waited for and released though board and proof of life are gone") {
  for (const std::string name : {"board", "life"}) {
    for (const Harm what : kHarms) {
      const std::filesystem::path file = dir / "cache" / name;
      CAPTURE(name);
      CAPTURE(static_cast<int>(what));
      Worker holder = shell(path());
      Worker waiter = shell(path());
      Worker fair = shell(path());
      REQUIRE(holder.ask("lock k").starts_with("held"));
      waiter.say("lock k");
      fair.say("lock k fair");
      REQUIRE(eventually([&] { return !locks(cache).at(0).waiters.empty(); }));
      if (name == "board" && !std::filesystem::exists(file)) break;  // none is made here
      harm(file, what);

      // Who comes now sees the new file, and those who were there the old one.
      Worker late = shell(path());
      late.say("lock k fair");
      CHECK(waiter.try_line(300ms) == std::nullopt);
      CHECK(fair.try_line(0ms) == std::nullopt);
      CHECK(late.try_line(0ms) == std::nullopt);
      {
        Cache fresh(path());
        CHECK_FALSE(SyncLock(fresh, "k").try_lock());
      }
      CHECK(clear_lock(cache, "k") == Cleared::refused);
      CHECK(holder.ask("owned k") == "yes");
      CHECK(holder.ask("release k") == "released");
      std::vector<Worker*> waiting{&waiter, &fair, &late};
      for (int i = 0; i < 3; ++i) {
        Worker* next = nullptr;
        CHECK_FALSE(has(first_answer(waiting, next), "died"));
        CHECK(next->ask("release k") == "released");
        std::erase(waiting, next);
      }
      CHECK(cache.stats().locks == 0);
    }
  }
}

TEST_CASE_FIXTURE(OneCache,
                  "a killed holder is taken over by everybody though its proof of life was replaced") {
  for (const Harm what : kHarms) {
    CAPTURE(static_cast<int>(what));
    Worker holder = shell(path());
    REQUIRE(holder.ask("lock k").starts_with("held"));
    Worker waiter = shell(path());
    waiter.say("lock k");
    harm(dir / "cache" / "life", what);
    Worker late = shell(path());
    late.say("lock k");
    CHECK(waiter.try_line(100ms) == std::nullopt);
    CHECK(late.try_line(100ms) == std::nullopt);
    holder.kill();
    Worker* first = nullptr;
    CHECK(has(first_answer({&waiter, &late}, first), "died"));
    Worker& second = first == &waiter ? late : waiter;
    CHECK(second.try_line(100ms) == std::nullopt);
    first->kill();
    CHECK(has(second.line(), "died"));
    CHECK(second.ask("release k") == "released");
    CHECK(cache.stats().locks == 0);
  }
}

TEST_CASE_FIXTURE(OneCache, "many processes stay apart while board and proof of life come and go") {
  MappedArena arena(dir / "arena");
  std::vector<std::unique_ptr<Worker>> workers;
  const auto add = [&] {
    workers.push_back(std::make_unique<Worker>(std::vector<std::string>{
        "storm", path(), "k", "mixed", dir / "arena", std::to_string(workers.size()), "1", "0", "500", "1"}));
  };
  for (int i = 0; i < 4; ++i) add();
  for (int round = 0; round < rounds(12); ++round) {
    CAPTURE(round);
    const std::uint64_t before = arena->grants;
    CHECK(eventually([&] { return arena->grants > before + 20; }, 30s));
    const std::filesystem::path file = dir / "cache" / (round % 2 == 0 ? "life" : "board");
    if (std::filesystem::exists(file)) harm(file, kHarms[static_cast<std::size_t>(round / 2) % 3]);
    if (round < 12) add();
  }
  arena->stop = true;
  for (const auto& worker : workers) CHECK(worker->try_line(30s) == "done");
  CHECK(arena->overlaps == 0);
  CHECK(arena->backwards == 0);
  CHECK(arena->untold == 0);
  CHECK(cache.stats().locks == 0);
}

TEST_SUITE_END();
