// SPDX-License-Identifier: Apache-2.0
#include "board/board.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "board/layout.hpp"
#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "dcache/store.hpp"
#include "support/check.hpp"
#include "support/files.hpp"
#include "support/worker.hpp"

namespace fs = std::filesystem;

namespace {

using board::Board;
using Clock = std::chrono::steady_clock;

constexpr Board::Slot kSlot = 5;

/// A directory for boards of one cache.
struct Place {
  TempDir dir;

  [[nodiscard]] fs::path path() const { return dir / "board"; }
  [[nodiscard]] Board board(const std::string& uuid = "one") const {
    return Board(dir.path(), uuid, [] { return true; });
  }
  /// A board's file, as it would be made.
  [[nodiscard]] std::string bytes(const std::string& uuid = "one") const {
    REQUIRE(board(uuid).word(kSlot).has_value());
    std::string made = read_file(path());
    fs::remove(path());
    return made;
  }
  [[nodiscard]] int files() const {
    return static_cast<int>(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()));
  }
};

Store& store_of(const Cache& cache) { return cache.state()->store(); }

/// Until a board looks again at what it looks at now and then.
void wait_for_a_look() { std::this_thread::sleep_for(150ms); }

/// Whether a wake through one is seen through the other, thus whether both have mapped the same file.
bool share(Board& one, Board& other) {
  const auto before = other.word(kSlot);
  one.wake(kSlot);
  return before && other.word(kSlot) == *before + 1;
}

}  // namespace

TEST_CASE_FIXTURE(OneCache, "a new cache has a board; opening, reading, locking and looking make no other") {
  const fs::path board = dir / "cache" / "board";
  CHECK(fs::file_size(board) == board::kBytes);
  cache.set("k", "v");
  fs::remove(board);
  {
    SyncLock lock(cache, "lock");
    lock.lock();
  }
  Cache again(path());
  CHECK(again.get("k") == "v");
  CHECK(again.stats().board);
  CHECK_FALSE(fs::exists(board));
  CHECK(store_of(again).wake_word(1).has_value());
  CHECK(fs::file_size(board) == board::kBytes);
  CHECK(again.stats().board);
  CHECK(cache.stats().board);
  fs::remove(board);
  wait_for_a_look();
  cache.set("k", "v");
  CHECK(fs::file_size(board) == board::kBytes);
}

TEST_CASE_FIXTURE(Place, "a board has mode 0600, whatever the umask, and leaves no other file behind") {
  for (const mode_t mask : {0000U, 0022U, 0077U, 0777U}) {
    CAPTURE(mask);
    const mode_t before = ::umask(mask);
    CHECK(board().word(kSlot).has_value());
    ::umask(before);
    CHECK(mode_of(path()) == 0600);
    CHECK(files() == 1);
    fs::remove(path());
  }
}

TEST_CASE_FIXTURE(Place, "what a killed maker left behind goes when the next board is made, once it is old") {
  const fs::path old = path().native() + ".old";
  const fs::path young = path().native() + ".young";
  for (const fs::path& leftover : {old, young}) write_file(leftover, "half a board");
  fs::last_write_time(old, fs::file_time_type::clock::now() - 2min);
  CHECK(board().word(kSlot).has_value());
  CHECK_FALSE(fs::exists(old));
  CHECK(fs::exists(young));
}

TEST_CASE_FIXTURE(Place, "all who make one at the same time end up with the same board") {
  for (int round = 0; round < rounds(10); ++round) {
    std::vector<std::unique_ptr<Board>> boards;
    for (int i = 0; i < 6; ++i) boards.emplace_back(new Board(board()));
    std::vector<std::thread> threads;
    for (const auto& one : boards) threads.emplace_back([&] { one->wake(kSlot); });
    for (std::thread& thread : threads) thread.join();
    for (const auto& one : boards) CHECK(share(*boards.front(), *one));
    CHECK(files() == 1);
    fs::remove(path());
  }
}

TEST_CASE_FIXTURE(Place, "words differ by session and agent, and a wake moves one by one") {
  CHECK(Board::slot_of("session", 1) == Board::slot_of("session", 1));
  std::vector<int> used(board::kWords);
  for (int session = 0; session < 64; ++session) {
    for (std::uint64_t agent = 0; agent < 64; ++agent) {
      ++used.at(Board::slot_of("1:" + std::to_string(session) + ":of some length", agent));
    }
  }
  CHECK(std::count(used.begin(), used.end(), 0) < 1800);  // 4096/e = 1507 if they are well spread
  CHECK(*std::max_element(used.begin(), used.end()) < 12);

  Board one = board();
  const auto first = one.word(0);
  const auto last = one.word(board::kWords - 1);
  one.wake(0);
  CHECK(one.word(0) == *first + 1);
  CHECK(one.word(board::kWords - 1) == last);
}

TEST_CASE_FIXTURE(Place, "what is no board of this cache is replaced, and nothing is written through it") {
  const std::string good = bytes();
  REQUIRE(good.size() == board::kBytes);
  std::string bad = good;
  SUBCASE("empty") { bad.clear(); }
  SUBCASE("cut short in the header") { bad.resize(20); }
  SUBCASE("cut short") { bad.resize(board::kBytes - 1); }
  SUBCASE("too long") { bad += 'x'; }
  SUBCASE("with another magic text") { bad[0] = 'D'; }
  SUBCASE("of an older layout") { bad[offsetof(board::Header, layout)] = 0; }
  SUBCASE("that gives another size") { bad[offsetof(board::Header, bytes)] ^= 1; }
  SUBCASE("of another cache") { bad = bytes("two"); }
  SUBCASE("of a cache whose name begins the same") { bad = bytes("one1"); }
  write_file(path(), bad);
  const ino_t before = [&] {
    struct stat info {};
    ::lstat(path().c_str(), &info);
    return info.st_ino;
  }();
  const fs::path kept = dir / "kept";
  fs::create_hard_link(path(), kept);
  Board one = board();
  CHECK(one.can_be_had());
  CHECK(one.word(kSlot).has_value());
  one.wake(kSlot);
  CHECK(read_file(kept) == bad);
  struct stat info {};
  ::lstat(path().c_str(), &info);
  CHECK((info.st_ino != before) == (bad != good));
  CHECK(fs::file_size(path()) == board::kBytes);
  CHECK(mode_of(path()) == 0600);
  CHECK(files() == 2);
  Board other = board();
  CHECK(share(one, other));
}

TEST_CASE_FIXTURE(Place, "what is no file of ours is replaced, and what a link names is not touched") {
  const std::string good = bytes();
  int others = 0;
  SUBCASE("a symbolic link to a board") {
    write_file(dir / "target", good);
    fs::create_symlink(dir / "target", path());
    others = 1;
  }
  SUBCASE("a symbolic link to nothing") { fs::create_symlink(dir / "absent", path()); }
  SUBCASE("a pipe") { REQUIRE(::mkfifo(path().c_str(), 0600) == 0); }
  SUBCASE("a file of another user") {
    write_file(path(), good);
    if (::geteuid() == 0) REQUIRE(::chown(path().c_str(), 12345, 12345) == 0);
  }
  Board one = board();
  CHECK(one.word(kSlot).has_value());
  one.wake(kSlot);
  if (others == 1) CHECK(read_file(dir / "target") == good);
  CHECK(fs::is_regular_file(fs::symlink_status(path())));
  struct stat info {};
  ::lstat(path().c_str(), &info);
  CHECK(info.st_uid == ::geteuid());
  CHECK(files() == 1 + others);
}

TEST_CASE_FIXTURE(Place, "a board of a newer layout is left alone, and there is none for us") {
  std::string newer = bytes();
  newer[offsetof(board::Header, layout)] = board::kLayout + 1;
  newer += "a section that we do not know";
  write_file(path(), newer);
  Board one = board();
  CHECK_FALSE(one.word(kSlot).has_value());
  CHECK_FALSE(one.can_be_had());
  CHECK(read_file(path()) == newer);
}

TEST_CASE_FIXTURE(Place, "where there can be no board nobody sleeps or fails, and it is tried again") {
  fs::create_directory(path());
  Board one = board();
  CHECK_FALSE(one.can_be_had());
  CHECK_FALSE(one.word(kSlot).has_value());
  const auto start = Clock::now();
  one.sleep(kSlot, 0, Clock::time_point::max());
  one.wake(kSlot);
  CHECK(files() == 1);
  fs::remove(path());
  // Trying costs more than looking: not before a second is over.
  if (Clock::now() - start < 900ms) CHECK_FALSE(one.word(kSlot).has_value());
  CHECK(eventually([&] { return one.word(kSlot).has_value(); }));
  CHECK(Clock::now() - start > 800ms);
}

TEST_CASE_FIXTURE(Place,
                  "nobody makes a board but for the cache that is there, and of the directory's owner") {
  bool there = false;
  Board one(dir.path(), "one", [&] { return there; });
  CHECK_FALSE(one.can_be_had());
  CHECK_FALSE(one.word(kSlot).has_value());
  // One that fits is used all the same.
  CHECK(board().word(kSlot).has_value());
  CHECK(eventually([&] { return one.word(kSlot).has_value(); }));
  fs::remove(path());
  if (::geteuid() == 0) {
    REQUIRE(::chown(dir.path().c_str(), 12345, 12345) == 0);
    CHECK_FALSE(board().word(kSlot).has_value());
    REQUIRE(::chown(dir.path().c_str(), 0, 0) == 0);
  }
  CHECK(files() == 0);
}

TEST_CASE_FIXTURE(Place, "a limit of file size makes no signal and no board") {
  struct rlimit old {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  struct rlimit low = old;
  low.rlim_cur = 4096;
  ::setrlimit(RLIMIT_FSIZE, &low);
  CHECK_FALSE(board().word(kSlot).has_value());
  ::setrlimit(RLIMIT_FSIZE, &old);
  CHECK(files() == 0);
}

TEST_CASE_FIXTURE(Place,
                  "a board that is deleted or replaced is noticed, and who sleeps on the old one is safe") {
  Board one = board();
  Board other = board();
  REQUIRE(share(one, other));
  const auto word = one.word(kSlot);
  const auto until = Clock::now() + 600ms;
  std::thread sleeper([&] {
    while (Clock::now() < until) one.sleep(kSlot, *word, until);
  });
  wait_for_a_look();
  SUBCASE("deleted") { fs::remove(path()); }
  SUBCASE("deleted, and made by a third") {
    fs::remove(path());
    CHECK(board().word(kSlot).has_value());
  }
  SUBCASE("replaced by a good one") {
    const std::string good = read_file(path());
    write_file(dir / "new", good);
    fs::rename(dir / "new", path());
  }
  SUBCASE("replaced by nonsense") {
    write_file(dir / "new", "nonsense");
    fs::rename(dir / "new", path());
  }
  wait_for_a_look();
  CHECK(share(one, other));
  Board late = board();
  CHECK(share(one, late));
  CHECK(share(late, other));
  sleeper.join();
  CHECK(Clock::now() >= until);
  CHECK(files() == 1);
}

TEST_CASE_FIXTURE(OneCache, "without a board a cache works, and says so") {
  fs::remove(dir / "cache" / "board");
  fs::create_directory(dir / "cache" / "board");
  CHECK_FALSE(cache.stats().board);
  CHECK_FALSE(store_of(cache).wake_word(1).has_value());
  store_of(cache).sleep(1, 0, kNoDeadline);
  store_of(cache).wake("anybody", 1);
  cache.set("k", "v");
  SyncLock lock(cache, "lock");
  lock.lock();
  CHECK(lock.release() == Release::released);
}

TEST_CASE_FIXTURE(OneCache, "a cache that was removed or replaced while it was open makes no board there") {
  Cache other(dir / "other");
  other.set("k", "v");
  fs::remove(dir / "cache" / "board");
  fs::remove(dir / "cache" / "cache.db");
  SUBCASE("removed") {}
  SUBCASE("replaced") { fs::rename(dir / "other" / "cache.db", dir / "cache" / "cache.db"); }
  store_of(cache).wake("anybody", 1);
  CHECK_FALSE(fs::exists(dir / "cache" / "board"));
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache, "processes wake each other, again and again") {
    Store& store = store_of(cache);
    Worker worker({"shell", path()});
    worker.line();
    const std::string theirs = worker.ask("session");
    const std::string ours = store.session();
    for (int round = 0; round < rounds(20); ++round) {
      const auto word = store.wake_word(9);
      REQUIRE(word.has_value());
      worker.say("wake " + ours + " 9");
      const auto start = Clock::now();
      while (store.wake_word(9) == word) store.sleep(9, *word, start + 30s);
      CHECK(Clock::now() - start < 20s);
      CHECK(worker.line() == "ok");

      const std::string seen = worker.ask("word 3");
      worker.say("sleep 3 " + seen + " 30000");
      if (round % 2 == 0) std::this_thread::sleep_for(2ms);
      store.wake(theirs, 3);
      CHECK(worker.line(20s) == "woken");
    }
    CHECK(worker.ask("sleep 3 " + worker.ask("word 3") + " 20") == "late");
  }

  TEST_CASE_FIXTURE(Place, "a forked child has no board of its parent's, and leaves it as it is") {
    Board one = board();
    REQUIRE(one.word(kSlot).has_value());
    const pid_t child = ::fork();
    if (child == 0) {
      one.wake(kSlot);
      one.sleep(kSlot, 0, Clock::time_point::max());
      ::_exit(one.word(kSlot) || one.can_be_had() ? 1 : 0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
    Board other = board();
    CHECK(share(one, other));
  }
}
