// SPDX-License-Identifier: Apache-2.0
//
// Processes that visit an arena again and again, and are killed.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/arena.hpp"
#include "support/check.hpp"
#include "support/outcome.hpp"
#include "support/worker.hpp"

namespace dcache::test {

/// From a kill to what comes of it.
class Stopwatch {
 public:
  [[nodiscard]] double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class Crowd {
 public:
  /// What a worker is started with: from the number of the member and the path of the arena.
  using Arguments = std::function<std::vector<std::string>(const std::string&, const std::string&)>;

  Crowd(const OneCache& one, Arguments arguments)
      : path_(one.dir / "arena"), arena_(path_), arguments_(std::move(arguments)) {}

  Arena& arena() { return *arena_; }

  void add() {
    workers_.push_back({next_, std::make_unique<Worker>(arguments_(std::to_string(next_), path_.native()))});
    ++next_;
  }

  /// Returns the number of the member.
  std::uint32_t kill(std::size_t which) {
    const std::uint32_t number = workers_.at(which).number;
    workers_[which].worker->kill();
    arena_->killed.at(number) = true;
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(which));
    return number;
  }

  /// Kills one after the other at random moments, and has another in its place. Fails the test when nobody
  /// gets in after a kill, or two are inside at once. Returns, in order of size, the milliseconds from each
  /// kill to the next visit that came to its end.
  std::vector<double> kill_at_random(int kills, std::mt19937_64& random,
                                     const std::function<void(std::uint32_t)>& killed = {}) {
    std::vector<double> gaps;
    for (int round = 0; round < kills && !failed_so_far(); ++round) {
      CAPTURE(round);
      REQUIRE(arena_->overlaps == 0);
      std::this_thread::sleep_for(std::chrono::microseconds(100 + random() % 49'900));
      const std::uint32_t member = kill(random() % workers_.size());
      const Stopwatch since;
      if (killed) killed(member);
      const std::uint64_t before = arena_->grants;
      CHECK(eventually([&] { return arena_->grants > before; }, 10s));
      gaps.push_back(since.milliseconds());
      add();
    }
    std::sort(gaps.begin(), gaps.end());
    return gaps;
  }

  /// Lets them come to an end by themselves.
  void stop() {
    arena_->stop = true;
    for (const Member& member : workers_) {
      CHECK(member.worker->try_line(30s) == "done");
      CHECK(member.worker->wait() == 0);
    }
    workers_.clear();
  }

 private:
  struct Member {
    std::uint32_t number;
    std::unique_ptr<Worker> worker;
  };
  const std::filesystem::path path_;
  MappedArena arena_;
  const Arguments arguments_;
  std::uint32_t next_ = 0;
  std::vector<Member> workers_;
};

}  // namespace dcache::test
