// SPDX-License-Identifier: Apache-2.0
//
// Processes that read and change a few keys as fast as they can, by copies: no answer is older than what was
// known before it was asked for.
#include <csignal>
#include <filesystem>
#include <memory>
#include <random>

#include "support/check.hpp"
#include "support/database.hpp"
#include "support/files.hpp"
#include "support/witness.hpp"
#include "support/worker.hpp"

namespace fs = std::filesystem;

TEST_SUITE_BEGIN("process");

namespace {

constexpr std::uint32_t kKeyCount = 8;
constexpr std::uint32_t kStays = 4;

/// What happens to the workers meanwhile.
struct Weather {
  std::size_t records = 400'000;
  bool clears = false;
  bool kills = false;
  bool stops = false;
  bool boards = false;  ///< the board is deleted or replaced now and then
  bool contained = false;
};

class Storm {
 public:
  explicit Storm(const Weather& weather)
      : weather_(weather), random_(seed_), witness_(log_, weather.records) {
    Cache cache(path_);
    other_ = std::make_unique<Cache>(dir_ / "other");
    for (int i = 0; i < 4; ++i) add();
  }

  Verdict run() {
    const auto end = std::chrono::steady_clock::now() + 40s;
    while (!witness_.full() && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1 + random_() % 30));
      if (weather_.kills && random_() % 2 == 0) kill();
      if (weather_.stops) stop_for_a_while();
      if (weather_.boards && random_() % 4 == 0) change_board();
    }
    witness_.stop();
    for (const auto& worker : workers_) {
      CHECK(worker->try_line(60s) == "done");
      CHECK(worker->wait() == 0);
    }
    CHECK(integrity(path_) == "ok");
    const Verdict verdict = judge(witness_.all(), kKeyCount, weather_.clears ? 0 : kStays);
    for (const std::string& wrong : verdict.wrong) FAIL_CHECK(wrong);
    MESSAGE(verdict.reads << " reads, " << verdict.writes << " writes, " << killed_ << " kills, " << stopped_
                          << " stops, " << boards_ << " boards, seed " << seed_);
    CHECK(verdict.writes > 0);
    // Chunks of the killed are lost.
    if (witness_.full()) CHECK(verdict.reads > weather_.records / 10);
    return verdict;
  }

 private:
  void add() {
    // One of four keeps no copies.
    const std::uint64_t memory = started_ % 4 == 3 ? 0 : 8 << 20;
    std::vector<std::string> arguments{"witnessed",
                                       path_,
                                       log_,
                                       std::to_string(seed_ + started_),
                                       std::to_string(memory),
                                       weather_.clears ? "clears" : "goes"};
    std::unique_ptr<Worker> worker;
    if (weather_.contained && started_ % 4 == 0) {
      std::vector<std::string> inside{"--pid-namespace"};
      inside.insert(inside.end(), arguments.begin(), arguments.end());
      worker = std::make_unique<Worker>(inside);
      if (worker->line() != "ready") worker.reset();
    }
    if (worker == nullptr) {
      worker = std::make_unique<Worker>(arguments);
      REQUIRE(worker->line() == "ready");
    }
    workers_.push_back(std::move(worker));
    ++started_;
  }

  void kill() {
    const std::size_t which = random_() % workers_.size();
    workers_[which]->kill();
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(which));
    ++killed_;
    add();
  }

  void stop_for_a_while() {
    const Worker& worker = *workers_[random_() % workers_.size()];
    worker.signal(SIGSTOP);
    // Now and then for longer than anybody goes without a look at the board.
    std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 8 == 0 ? 300 : random_() % 20));
    worker.signal(SIGCONT);
    ++stopped_;
  }

  void change_board() {
    const fs::path board = fs::path(path_) / "board";
    std::error_code error;
    switch (random_() % 4) {
      case 0:
        fs::copy_file(dir_ / "other" / "board", dir_ / "new", fs::copy_options::overwrite_existing, error);
        fs::rename(dir_ / "new", board, error);
        break;
      case 1:
        write_file(dir_ / "new", "nonsense");
        fs::rename(dir_ / "new", board, error);
        break;
      default:
        fs::remove(board, error);
    }
    ++boards_;
  }

  const Weather weather_;
  const std::uint64_t seed_ = new_seed();
  std::mt19937_64 random_;
  TempDir dir_;
  const std::string path_ = dir_ / "cache";
  const std::string log_ = dir_ / "log";
  Witness witness_;
  std::unique_ptr<Cache> other_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::uint64_t started_ = 0;
  int killed_ = 0;
  int stopped_ = 0;
  int boards_ = 0;
};

void weather(const Weather& weather) {
  std::uint64_t reads = 0;
  // Where all is slow, a part of it.
  Weather now = weather;
  now.records = std::min(now.records, static_cast<std::size_t>(rounds(static_cast<int>(now.records))));
  for (int round = 0; round < rounds(1); ++round) reads += Storm(now).run().reads;
  if (rounds(1) > 1) MESSAGE(reads << " reads in all");
}

}  // namespace

TEST_CASE("of four processes none reads what is older than what was known") {
  weather({.records = 1'100'000});
}

TEST_CASE("nor when one is in another container, and all is cleared now and then") {
  weather({.clears = true, .contained = true});
}

TEST_CASE("nor when writers are killed at any moment") { weather({.clears = true, .kills = true}); }

TEST_CASE("nor when some are stopped for a while") { weather({.kills = true, .stops = true}); }

TEST_CASE("nor when the board is deleted or replaced while all are at work") {
  weather({.kills = true, .boards = true});
}

TEST_CASE("nor when all of that happens") {
  weather({.clears = true, .kills = true, .stops = true, .boards = true, .contained = true});
}

TEST_SUITE_END();
