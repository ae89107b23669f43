// SPDX-License-Identifier: Apache-2.0
#include "platform/futex.hpp"

#include <vector>

#include "platform/directory.hpp"
#include "platform/fork.hpp"
#include "platform/shared_memory.hpp"
#include "support/check.hpp"

using Clock = std::chrono::steady_clock;
using platform::futex::Word;

namespace {

void wake(Word& word) {
  word.fetch_add(1);
  platform::futex::wake_all(word);
}

}  // namespace

TEST_CASE("nobody sleeps on a word that has changed already") {
  const Word word{7};
  platform::futex::wait(word, 6, Clock::time_point::max());
  CHECK(word == 7);
}

TEST_CASE("a change and a wake end all sleeps on the word, those without a deadline too") {
  Word word{0};
  std::atomic<int> woken{0};
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 4; ++i) {
    sleepers.emplace_back([&, i] {
      const auto until = i % 2 == 0 ? Clock::time_point::max() : Clock::now() + 1min;
      while (word == 0) platform::futex::wait(word, 0, until);
      ++woken;
    });
  }
  std::this_thread::sleep_for(20ms);
  CHECK(woken == 0);
  wake(word);
  for (std::thread& sleeper : sleepers) sleeper.join();
  CHECK(woken == 4);
}

TEST_CASE("a sleep ends at its deadline, and one whose deadline has passed does not begin") {
  const Word word{0};
  const auto start = Clock::now();
  // A signal may end it early: again, as all callers do.
  while (Clock::now() < start + 50ms) platform::futex::wait(word, 0, start + 50ms);
  CHECK(Clock::now() - start < 5s);
  for (const Clock::time_point past : {start, Clock::time_point(), Clock::time_point::min()}) {
    const auto before = Clock::now();
    platform::futex::wait(word, 0, past);
    CHECK(Clock::now() - before < 5s);
  }
}

TEST_CASE("who has mapped the same file elsewhere is woken") {
  const TempDir dir;
  const platform::ForkClosedFd file(platform::open_private_file(dir / "words", true));
  const auto mine = platform::SharedMemory::map(file.get(), 4096);
  const auto other = platform::SharedMemory::map(file.get(), 4096);
  REQUIRE(mine != nullptr);
  REQUIRE(other != nullptr);
  auto& word = mine->at<Word>(64);
  std::thread sleeper([&] {
    while (word == 0) platform::futex::wait(word, 0, Clock::time_point::max());
  });
  std::this_thread::sleep_for(20ms);
  wake(other->at<Word>(64));
  sleeper.join();
  CHECK(word == 1);
}
