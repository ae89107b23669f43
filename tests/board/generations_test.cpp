// SPDX-License-Identifier: Apache-2.0
#include "board/generations.hpp"

#include <unistd.h>

#include <random>
#include <set>

#include "dcache/store.hpp"
#include "platform/process.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/files.hpp"
#include "support/worker.hpp"

namespace fs = std::filesystem;

namespace {

using board::Generation;
using board::Stamps;
using board::steady;

/// A board that may be used at once, and what is on it.
struct Marked {
  TempDir dir;
  board::Board board{dir.path(), "one", [] { return true; }};

  Marked() { board.make_first(); }

  [[nodiscard]] fs::path path() const { return dir / "board"; }
  Generation& word(std::uint64_t hash) { return board::generation(memory(), board::generation_of(hash)); }
  Generation& all() { return board::all_generation(memory()); }
  Generation& at(std::size_t offset) { return memory().at<Generation>(offset); }

 private:
  platform::SharedMemory& memory() {
    if (memory_ == nullptr) memory_ = board.mapping().memory;
    REQUIRE(memory_ != nullptr);
    return *memory_;
  }
  std::shared_ptr<platform::SharedMemory> memory_;
};

/// One that has marked a key and gone, without a word.
void die_after_mark(board::Board& board, std::uint64_t hash) { Stamps().mark(board, hash); }

/// Whether an answer of `cache` comes from memory: a row that vanishes behind its back is still there.
bool is_hot(const Cache& cache, const std::string& key) {
  const std::string value = cache.get(key).value();
  Database database(cache.directory() / "cache.db");
  database.run("BEGIN IMMEDIATE");
  database.run("CREATE TEMP TABLE kept AS SELECT * FROM entries WHERE key = CAST('" + key + "' AS BLOB)");
  database.run("DELETE FROM entries WHERE key = CAST('" + key + "' AS BLOB)");
  database.run("COMMIT");
  const auto found = cache.get(key);
  database.run("INSERT INTO entries SELECT * FROM kept");
  return found == value;
}

constexpr auto kForAll = static_cast<fs::perms>(0666);

/// Two users of a cache see what the other does, at once; the second goes by its copies.
void check_coherent(const std::string& path) {
  Cache writer(path);
  Cache reader(path);
  for (int i = 0; i < 50; ++i) {
    const std::string key = "key" + std::to_string(i % 5);
    writer.set(key, std::to_string(i));
    CHECK(reader.get(key) == std::to_string(i));
    CHECK(reader.get(key) == std::to_string(i));
  }
  writer.erase("key0");
  CHECK_FALSE(reader.contains("key0"));
  CHECK(is_hot(reader, "key1"));
}

std::string other_user(const Cache& cache) {
  for (const auto& file : fs::directory_iterator(cache.directory())) {
    fs::permissions(file.path(), kForAll);
  }
  fs::permissions(cache.directory(), fs::perms::all);
  fs::permissions(cache.directory().parent_path(), fs::perms::all);
  return "--uid=12345";
}

}  // namespace

TEST_CASE_FIXTURE(Marked, "a mark is odd until it is settled, and never what it was before") {
  std::set<std::uint64_t> seen{word(5)};
  const std::uint64_t other = word(6);
  Stamps stamps;
  for (int i = 0; i < 1000; ++i) {
    CHECK(steady(word(5)));
    stamps.mark(board, 5);
    stamps.mark(board, 5);
    CHECK_FALSE(steady(word(5)));
    stamps.settle();
    CHECK(seen.insert(word(5)).second);
  }
  CHECK(steady(word(5)));
  CHECK(word(6) == other);
  CHECK(steady(all()));
}

TEST_CASE_FIXTURE(Marked, "what one transaction marks is settled together, and a mark for all is one word") {
  Stamps stamps;
  const std::uint64_t before = all();
  const std::uint64_t untouched = word(7);
  stamps.mark(board, 5);
  stamps.mark(board, 6);
  CHECK(word(5) == word(6));
  stamps.mark_all(board);
  stamps.mark(board, 7);
  CHECK_FALSE(steady(all()));
  CHECK(word(7) == untouched);
  stamps.settle();
  stamps.settle();
  CHECK(steady(all()));
  CHECK(all() != before);
  for (const std::uint64_t hash : {5U, 6U}) CHECK(steady(word(hash)));
}

TEST_CASE_FIXTURE(Marked, "what a killed writer has left odd is settled by the next one") {
  const std::uint64_t before = word(5);
  die_after_mark(board, 5);
  Stamps().mark_all(board);
  CHECK(steady(word(5)));
  CHECK_FALSE(steady(all()));
  die_after_mark(board, 5);
  CHECK(steady(all()));
  Stamps next;
  next.mark(board, 6);
  CHECK(steady(word(5)));
  CHECK(word(5) != before);
  CHECK_FALSE(steady(word(6)));
  next.settle();
  CHECK(steady(word(6)));
  CHECK(at(board::kUnsettledAt) == 0);
}

TEST_CASE_FIXTURE(Marked, "who only mends settles what a killed writer has left") {
  die_after_mark(board, 5);
  Stamps mender;
  mender.mend(board);
  mender.settle();
  CHECK(steady(word(5)));
  CHECK(steady(all()));
}

TEST_CASE_FIXTURE(Marked, "a late settling leaves the mark of a later writer alone") {
  Stamps first;
  Stamps second;
  first.mark(board, 5);
  first.mark(board, 6);
  // The first has committed by now.
  second.mark(board, 5);
  const std::uint64_t mark = word(5);
  CHECK(steady(word(6)));
  first.settle();
  CHECK(word(5) == mark);
  CHECK(at(board::kUnsettledAt) == mark);
  second.settle();
  CHECK(word(5) == mark + 1);
  CHECK(at(board::kUnsettledAt) == 0);
}

TEST_CASE_FIXTURE(Marked, "a transaction that changes more keys than a quarter of the words marks all") {
  constexpr std::uint64_t kMost = board::kGenerations / 4;
  Stamps stamps;
  for (std::uint64_t hash = 0; hash < kMost; ++hash) stamps.mark(board, hash);
  CHECK(steady(all()));
  stamps.mark(board, kMost);
  CHECK_FALSE(steady(all()));
  CHECK(steady(word(kMost)));
  stamps.settle();
  CHECK(steady(all()));
  int odd = 0;
  for (std::uint64_t hash = 0; hash < board::kGenerations; ++hash) odd += steady(word(hash)) ? 0 : 1;
  CHECK(odd == 0);
}

TEST_CASE_FIXTURE(Marked, "words of zero or nonsense are good for no copy until they are mended") {
  std::mt19937_64 random(1);
  for (std::uint64_t hash = 0; hash < 1000; ++hash) word(hash) = hash % 2 == 0 ? 0 : random();
  CHECK_FALSE(steady(word(0)));
  Stamps writer;
  writer.mark(board, 0);
  writer.settle();
  CHECK(steady(word(0)));
  const std::uint64_t written = word(0);
  Stamps mender;
  mender.mend(board);
  mender.settle();
  for (std::uint64_t hash = 0; hash < 1000; ++hash) {
    if (!steady(word(hash))) FAIL_CHECK("the word " << hash << " is " << word(hash).load());
  }
  CHECK(word(0) == written);
  // A mended word is one that no transaction settles to later.
  const std::uint64_t mended = word(2);
  writer.mark(board, 2);
  writer.settle();
  CHECK(word(2) != mended);
}

TEST_CASE_FIXTURE(Marked, "after a boot no stamp comes again, whatever the disk had kept of the board") {
  Stamps writer;
  writer.mark(board, 5);
  writer.settle();
  const std::uint64_t now = word(5);
  die_after_mark(board, 6);
  // The first page is older than the words.
  at(board::kUnsettledAt) = 0;
  at(board::kNextStampAt) = now - 1;
  at(board::kBootAt) = 77;
  writer.mark(board, 5);
  CHECK(word(5) != now - 1);
  CHECK(steady(word(6)));
  writer.settle();
  CHECK(word(5) != now);
  CHECK(steady(word(5)));
  const std::uint64_t second = word(5);
  writer.mark(board, 5);
  CHECK(word(5) == second + 1);
  writer.settle();
}

TEST_CASE("the first writer on a new board waits until nobody can go by another, then marks all") {
  const TempDir dir;
  board::Board board(dir.path(), "one", [] { return true; });
  REQUIRE(board.word(0).has_value());
  const auto made = std::chrono::steady_clock::now();
  const board::Board::Mapping mapping = board.mapping();
  CHECK(board::all_generation(*mapping.memory) == 0);
  Stamps stamps;
  stamps.mark(board, 5);
  // As long as others go without a look, 100 ms.
  CHECK(std::chrono::steady_clock::now() - made > 110ms);
  CHECK_FALSE(steady(board::all_generation(*mapping.memory)));
  stamps.settle();
  CHECK(steady(board::all_generation(*mapping.memory)));
}

TEST_CASE_FIXTURE(
    OneCache, "without writers a board that is deleted, replaced or moved ends answers from copies soon") {
  cache.set("k", "v");
  const fs::path board = dir / "cache" / "board";
  CHECK(is_hot(cache, "k"));
  SUBCASE("deleted") { fs::remove(board); }
  SUBCASE("moved away") { fs::rename(board, dir / "elsewhere"); }
  SUBCASE("replaced") {
    Cache other(dir / "other");
    fs::rename(dir / "other" / "board", board);
  }
  std::this_thread::sleep_for(150ms);
  CHECK_FALSE(is_hot(cache, "k"));
  cache.set("k", "w");
  CHECK(cache.get("k") == "w");
  CHECK(is_hot(cache, "k"));
}

TEST_CASE_FIXTURE(OneCache, "where nobody writes, reads settle what a killed writer has left") {
  cache.set("k", "v");
  board::Board board(dir / "cache", uuid_of(dir / "cache"), [] { return true; });
  const auto memory = board.mapping().memory;
  REQUIRE(memory != nullptr);
  Stamps().mark_all(board);
  REQUIRE_FALSE(steady(board::all_generation(*memory)));
  CHECK(eventually([&] {
    CHECK(cache.get("k") == "v");
    return steady(board::all_generation(*memory));
  }));
  CHECK(cache.get("k") == "v");
  CHECK(is_hot(cache, "k"));
}

TEST_CASE_FIXTURE(OneCache, "no answer is old when the board goes and somebody writes who never had it") {
  const fs::path board = dir / "cache" / "board";
  for (const bool possible : {true, false, true}) {
    cache.set("k", "old");
    for (int i = 0; i < 3; ++i) CHECK(cache.get("k") == "old");
    Cache writer(path());
    fs::remove(board);
    if (!possible) fs::create_directory(board);
    writer.set("k", "new");
    for (int i = 0; i < 3; ++i) CHECK(cache.get("k") == "new");
    if (!possible) fs::remove(board);
    std::this_thread::sleep_for(1100ms);  // then one that could not be made is tried again
  }
}

TEST_CASE("whatever becomes of the board while nobody uses it, answers are right and copies are kept") {
  const TempDir dir;
  const std::string path = dir / "cache";
  const fs::path board = dir / "cache" / "board";
  Cache(path).set("k", "v");
  std::string bytes = read_file(board);
  std::mt19937_64 random(new_seed());
  const auto scramble = [&](std::size_t from) {
    for (std::size_t i = from; i < bytes.size(); ++i) bytes[i] = static_cast<char>(random());
  };
  SUBCASE("truncated to nothing") { bytes.clear(); }
  SUBCASE("cut in half") { bytes.resize(bytes.size() / 2); }
  SUBCASE("filled with random bytes") { scramble(0); }
  SUBCASE("filled with random bytes behind its header") { scramble(sizeof(board::Header)); }
  SUBCASE("its words filled with random bytes") { scramble(board::kGenerationsAt); }
  SUBCASE("zeroed behind its header") { std::fill(bytes.begin() + sizeof(board::Header), bytes.end(), '\0'); }
  SUBCASE("its words zeroed") { std::fill(bytes.begin() + board::kGenerationsAt, bytes.end(), '\0'); }
  SUBCASE("an older one of its own") { check_coherent(path); }
  SUBCASE("another cache's") {
    Cache(dir / "other").set("k", "other");
    bytes = read_file(dir / "other" / "board");
  }
  write_file(board, bytes);
  CHECK(Cache(path).get("k") == "v");
  check_coherent(path);
  CHECK(fs::file_size(board) == board::kBytes);
}

TEST_CASE_FIXTURE(OneCache,
                  "with a board that only a newer version can use, reads work and writes fail by name") {
  cache.set("k", "v");
  const fs::path board = dir / "cache" / "board";
  std::string newer = read_file(board);
  newer[offsetof(board::Header, layout)] = 100;
  write_file(dir / "newer", newer);
  fs::rename(dir / "newer", board);
  Cache late(path());
  CHECK(late.get("k") == "v");
  CHECK(late.entry("k")->size == 1);
  CHECK(has(thrown<IoError>([&] { late.set("k", "w"); }), board.native()));
  CHECK_THROWS_AS(late.erase("k"), IoError);
  CHECK_THROWS_AS(late.clear(), IoError);
  CHECK_THROWS_AS(late.incr("n"), IoError);
  CHECK_THROWS_AS(late.transact([&](Transaction& transaction) { transaction.set("k", "w"); }), IoError);
  CHECK(late.get("k") == "v");
  CHECK(read_file(board) == newer);
  fs::remove(board);
  CHECK(eventually([&] {
    try {
      late.set("k", "w");
      return true;
    } catch (const IoError&) {
      return false;
    }
  }));
  CHECK(cache.get("k") == "w");
}

TEST_SUITE("process") {
  TEST_CASE_FIXTURE(OneCache,
                    "no answer is old when the board is deleted and another process writes at once") {
    Worker writer = shell(path());
    for (int round = 0; round < rounds(10); ++round) {
      const std::string value = std::to_string(round);
      REQUIRE(writer.ask("set k " + value) == "ok");
      for (int i = 0; i < 3; ++i) CHECK(cache.get("k") == value);
      if (round % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20 * round));
      fs::remove(dir / "cache" / "board");
      REQUIRE(writer.ask("set k new" + value) == "ok");
      for (int i = 0; i < 3; ++i) CHECK(cache.get("k") == "new" + value);
    }
  }

  TEST_CASE_FIXTURE(OneCache,
                    "in a directory that may not be written a cache without a board reads and writes") {
    if (::geteuid() != 0) return;
    cache.set("k", "v");
    static_cast<void>(other_user(cache));
    fs::remove(dir / "cache" / "board");
    for (const auto& file : fs::directory_iterator(dir / "cache")) {
      REQUIRE(::chown(file.path().c_str(), 12345, 12345) == 0);
    }
    REQUIRE(::chown((dir / "cache").c_str(), 12345, 12345) == 0);
    fs::permissions(dir / "cache", fs::perms::owner_read | fs::perms::owner_exec);
    Worker one({"--uid=12345", "shell", path()});
    Worker two({"--uid=12345", "shell", path()});
    for (Worker* worker : {&one, &two}) REQUIRE(worker->line() == "ready");
    for (const char* value : {"w", "x"}) {
      CHECK(one.ask(std::string("set k ") + value) == "ok");
      for (int i = 0; i < 2; ++i) CHECK(two.ask("get k") == value);
    }
    CHECK_FALSE(fs::exists(dir / "cache" / "board"));
    fs::permissions(dir / "cache", fs::perms::all);
  }

  TEST_CASE_FIXTURE(OneCache, "who has no access to the board that others use reads, but may not write") {
    if (::geteuid() != 0) return;
    cache.set("k", "v");
    CHECK(cache.get("k") == "v");
    const std::string user = other_user(cache);
    fs::permissions(dir / "cache" / "board", fs::perms::owner_read | fs::perms::owner_write);
    Worker shut_out({user, "open", path(), "shared"});
    const std::vector<std::string> told = shut_out.rest();
    REQUIRE(told.size() == 2);
    CAPTURE(told.back());
    CHECK(told.back().starts_with("IoError"));
    CHECK(has(told.back(), (dir / "cache" / "board").native()));
    CHECK(cache.get("k") == "v");
    fs::permissions(dir / "cache" / "board", kForAll);
    CHECK(run_worker({user, "open", path(), "shared"}).back() == "stored v");
  }
}
