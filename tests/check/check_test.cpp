// SPDX-License-Identifier: Apache-2.0
//
// Cache::check finds each kind of damage, mends it, and leaves all else as it was.
#include <cstdint>

#include "check/sick.hpp"

namespace fs = std::filesystem;

namespace {

/// Flips one bit in the middle of a file.
void flip(const fs::path& path) {
  std::string bytes = read_file(path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  write_file(path, bytes);
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& file : fs::directory_iterator(directory)) names.push_back(file.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::map<std::string, std::string> without_empty(std::map<std::string, std::string> files) {
  std::erase_if(files, [](const auto& file) { return file.second.empty(); });
  return files;
}

/// The only problem, of this kind and about this key.
void check_only(const std::vector<Problem>& problems, Kind kind, const std::optional<std::string>& key,
                std::string_view part) {
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].kind == kind);
  CHECK(problems[0].key == key);
  CAPTURE(problems[0].text);
  CHECK(has(problems[0].text, part));
}

}  // namespace

TEST_CASE("a healthy cache has no problems, and a check counts what is there") {
  const Sick sick;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> steps;
  {
    Cache cache(sick.path());
    const CheckReport report =
        cache.check({.fix = false, .on_progress = [&](std::uint64_t done, std::uint64_t total) {
                       steps.emplace_back(done, total);
                       // Nothing is locked meanwhile.
                       cache.set("written during the check", "v");
                     }});
    CHECK(Sick::texts(report) == std::vector<std::string>{});
    CHECK(report.entries >= kSmall + kLarge);
    CHECK(report.tag_rows == kSmall + kLarge);
    CHECK(report.records == 1);
    CHECK(report.files == kLarge);
    cache.erase("written during the check");
  }
  REQUIRE(!steps.empty());
  CHECK(std::is_sorted(steps.begin(), steps.end()));
  CHECK(steps.back().first == steps.back().second);
  CHECK(Sick::texts(sick.check(true)) == std::vector<std::string>{});
  sick.check_others();
}

TEST_CASE("a check that does not mend writes nothing") {
  const Sick sick;
  sick.sql("UPDATE entries SET value = x'00' WHERE key = key('small3')");
  const auto before = snapshot(sick.path());
  {
    Cache cache(sick.path());
    CHECK(cache.check().problems.size() == 1);
  }
  auto after = snapshot(sick.path());
  after["cache.db-shm"] = before.contains("cache.db-shm") ? before.at("cache.db-shm") : "";
  after["cache.db-wal"] = before.contains("cache.db-wal") ? before.at("cache.db-wal") : after["cache.db-wal"];
  CHECK(without_empty(after) == without_empty(before));
}

TEST_CASE("what throws in on_progress ends the check") {
  const Sick sick;
  Cache cache(sick.path());
  CHECK_THROWS_AS(cache.check({.on_progress = [](std::uint64_t, std::uint64_t) { throw 7; }}), int);
  CHECK(Sick::texts(cache.check()) == std::vector<std::string>{});
}

TEST_CASE("a check cannot be a part of a transaction") {
  const Sick sick;
  Cache cache(sick.path());
  CHECK_THROWS_AS(cache.transact([&](Transaction&) { cache.check(); }), Misuse);
}

TEST_CASE("a damaged row is set aside with its bytes, and is a miss from then on") {
  for (const char* change :
       {"value = CAST(value || x'00' AS BLOB)", "value = zeroblob(5)", "value = x''", "value = NULL",
        "stored = stored + 1", "expires = 9223372036854775806", "format = 1 - format", "format = 77",
        "sum = sum + 1", "tags = x'0500'", "tags = x'010041'", "file = x'01'", "file = zeroblob(24)"}) {
    CAPTURE(change);
    const Sick sick;
    // A value without tags, so that no list changes with it.
    sick.sql("UPDATE entries SET " + std::string(change) + " WHERE key = key('small7')");
    const std::string bytes = sick.answer("SELECT value FROM entries WHERE key = key('small7')");
    check_only(sick.found_and_mended(), Kind::value, "small7", "'small7' is damaged (");
    sick.check_others({"small7"});
    const std::vector<std::string> aside = names_in(sick.path() / "damaged");
    REQUIRE(aside.size() == 1);
    CHECK(mode_of(sick.path() / "damaged") == 0700);
    CHECK(mode_of(sick.path() / "damaged" / aside[0]) == 0600);
    const std::string text = read_file(sick.path() / "damaged" / aside[0]);
    CHECK(has(text, "key: small7\n"));
    CHECK(has(text, "bytes in its row: " + std::to_string(bytes.size())));
    CHECK(text.ends_with("\n\n" + bytes));
  }
}

TEST_CASE("a key that was changed is damage as well, and is shown escaped") {
  const Sick sick;
  sick.sql("UPDATE entries SET key = x'1b5b' WHERE key = key('small7')");
  const std::vector<Problem> problems = sick.found_and_mended();
  check_only(problems, Kind::value, "\x1b[", "'\\x1b['");
  sick.check_others({"small7"});
}

TEST_CASE("several hundred damaged rows are all found and mended") {
  const Sick sick;
  {
    Cache cache(sick.path());
    cache.transact([&](Transaction& transaction) {
      for (int i = 0; i < 1500; ++i) transaction.set("bulk" + std::to_string(i), "v", {.tags = "bulk"});
    });
  }
  sick.sql("UPDATE entries SET value = x'00' WHERE key >= key('bulk') AND key < key('bulk9') AND id % 2 = 0");
  const std::vector<Problem> problems = sick.found_and_mended();
  CHECK(problems.size() ==
        std::stoul(sick.answer(
            "SELECT 1500 - count(*) FROM entries WHERE key >= key('bulk') AND key < key('bull')")));
  CHECK(problems.size() > 600);
  {
    Cache cache(sick.path());
    CHECK(cache.evict("bulk") == 1500 - problems.size());
  }
  sick.check_others();
}

TEST_CASE("a column of another type is damage even if it reads alike") {
  const Sick sick;
  sick.sql_behind_indexes("UPDATE entries SET value = CAST(value AS TEXT) WHERE key = key('small7')");
  {
    const Cache cache(sick.path());
    CHECK(cache.get("small7") == value_of("small7"));
  }
  const std::vector<Problem> problems = sick.found_and_mended();
  REQUIRE(problems.size() == 2);
  CHECK(problems[0].kind == Kind::database);
  CHECK(problems[1].kind == Kind::value);
  sick.check_others({"small7"});
}

TEST_CASE("a damaged value file is moved aside") {
  const Sick sick;
  const fs::path file = sick.file_of("large2");
  SUBCASE("a bit flipped") { flip(file); }
  SUBCASE("cut short") { fs::resize_file(file, 1000); }
  SUBCASE("empty") { fs::resize_file(file, 0); }
  SUBCASE("longer") { fs::resize_file(file, 50'000); }
  const std::string bytes = read_file(file);
  check_only(sick.found_and_mended(), Kind::value, "large2", "'large2' is damaged (");
  CHECK_FALSE(fs::exists(file));
  const std::vector<std::string> aside = names_in(sick.path() / "damaged");
  REQUIRE(aside.size() == 2);
  CHECK(aside[1] == aside[0] + ".file");
  CHECK(has(read_file(sick.path() / "damaged" / aside[0]), "key: large2\n"));
  CHECK(read_file(sick.path() / "damaged" / aside[1]) == bytes);
  CHECK(mode_of(sick.path() / "damaged" / aside[1]) == 0600);
  sick.check_others({"large2"});
}

TEST_CASE("a value whose file is gone, or something else, is damaged") {
  const Sick sick;
  const fs::path file = sick.file_of("large2");
  fs::remove(file);
  SUBCASE("gone") {}
  SUBCASE("with its directory") { fs::remove(file.parent_path()); }
  SUBCASE("a symbolic link") { fs::create_symlink("/etc/passwd", file); }
  check_only(sick.found_and_mended(), Kind::value, "large2", "its file ");
  CHECK_FALSE(fs::is_symlink(file));
  sick.check_others({"large2"});
}

TEST_CASE("a directory in place of a value file is left alone, and its value removed") {
  const Sick sick;
  const fs::path file = sick.file_of("large2");
  fs::remove(file);
  fs::create_directory(file);
  write_file(file / "something", "of somebody");
  const CheckReport mended = sick.check(true);
  CHECK(mended.problems.size() == 2);
  CHECK(mended.problems[0].kind == Kind::value);
  CHECK(mended.problems[0].fixed);
  check_only(sick.check(true).problems, Kind::foreign, std::nullopt, file.native());
  CHECK(read_file(file / "something") == "of somebody");
  sick.check_others({"large2"});
}

TEST_CASE("the lists of tags are brought in line with the values") {
  const Sick sick;
  SUBCASE("a value that does not exist") {
    sick.sql("INSERT INTO tags VALUES(key('even'), 987654)");
    check_only(sick.found_and_mended(), Kind::tag, std::nullopt, "'even' has a value that does not exist");
  }
  SUBCASE("a value without the tag") {
    sick.sql("INSERT INTO tags SELECT key('other'), id FROM entries WHERE key = key('small3')");
    check_only(sick.found_and_mended(), Kind::tag, std::nullopt, "'small3'");
  }
  SUBCASE("a value that is missing") {
    sick.sql(
        "DELETE FROM tags WHERE tag = key('even') AND id IN (SELECT id FROM entries WHERE key = "
        "key('small4'))");
    check_only(sick.found_and_mended(), Kind::tag, "small4", "'even'");
  }
  SUBCASE("nobody is listed") {
    sick.sql("DELETE FROM tags");
    CHECK(sick.found_and_mended().size() == kSmall / 2 + kLarge);
  }
  SUBCASE("all lists are wrong") {
    sick.sql("UPDATE tags SET id = id + 100000");
    CHECK(sick.found_and_mended().size() == kSmall / 2 + kLarge + kSmall + kLarge);
  }
  sick.check_others();
  Cache cache(sick.path());
  CHECK(cache.evict("even") == kSmall / 2);
}

TEST_CASE("an index that lacks rows is made anew") {
  const Sick sick;
  SUBCASE("of keys") {
    sick.sql_behind_indexes("UPDATE entries SET id = id + 100000 WHERE key = key('small7')");
    const Cache cache(sick.path());
    CHECK_THROWS_AS(static_cast<void>(cache.get("small7")), Error);
  }
  SUBCASE("of expiries") {
    sick.sql_behind_indexes("UPDATE entries SET expires = expires + 1 WHERE key = key('small3')");
    // The checksum is wrong then, too.
    sick.sql(
        "UPDATE entries SET sum = (SELECT sum FROM entries WHERE key = key('small3')) WHERE key = "
        "key('small3')");
    CHECK(sick.found_and_mended().size() == 2);
    sick.check_others({"small3"});
    return;
  }
  check_only(sick.found_and_mended(), Kind::index, std::nullopt, "index");
  sick.check_others();
}

TEST_CASE("of two values under one key the newer stays") {
  const Sick sick;
  // As when the entry of a key in the index is lost, and the key is then stored anew.
  for (const char* key : {"small9", "small4", "large3"}) {
    sick.sql_behind_indexes(
        "INSERT INTO entries SELECT id + 100000, key, stored, expires, format, sum, tags, file, value "
        "FROM entries WHERE key = key('" +
        std::string(key) + "')");
    Cache cache(sick.path());
    cache.set(key, value_of(key), {.tags = "newer"});
  }
  const std::vector<Problem> problems = sick.found_and_mended();
  REQUIRE(!problems.empty());
  CHECK(problems[0].kind == Kind::index);
  sick.check_others();
  Cache cache(sick.path());
  CHECK(cache.evict("newer") == 3);
}

TEST_CASE("the stored total of file bytes is counted anew") {
  const Sick sick;
  SUBCASE("wrong") { sick.sql("UPDATE meta SET value = key('12') WHERE name = 'file_bytes'"); }
  SUBCASE("unreadable") { sick.sql("UPDATE meta SET value = key('lots') WHERE name = 'file_bytes'"); }
  SUBCASE("gone") { sick.sql("DELETE FROM meta WHERE name = 'file_bytes'"); }
  check_only(sick.found_and_mended(), Kind::total, std::nullopt, "bytes");
  CHECK(sick.answer("SELECT value FROM meta WHERE name = 'file_bytes'") ==
        std::to_string(kLarge * value_of("large0").size()));
  sick.check_others();
}

TEST_CASE("settings that cannot be read become the default ones") {
  const Sick sick;
  sick.sql("INSERT INTO meta VALUES('settings', key('1x oldest'))");
  {
    Cache cache(sick.path());
    CHECK_THROWS_AS(cache.set("k", "v"), Corrupt);
  }
  check_only(sick.found_and_mended(), Kind::settings, std::nullopt, "settings");
  sick.check_others();
  Cache cache(sick.path());
  CHECK(cache.settings().size_limit == 0);
  cache.set("k", "v");
}

TEST_CASE("settings that cannot be read can be set anew") {
  const Sick sick;
  sick.sql("INSERT INTO meta VALUES('settings', key('1x oldest'))");
  Cache cache(sick.path());
  cache.configure([](Settings& settings) { settings.size_limit = 1U << 30; });
  CHECK(cache.settings().size_limit == 1U << 30);
  cache.set("k", "v");
}

TEST_CASE("a damaged counter of fences is reported, and never mended") {
  const Sick sick;
  sick.sql("UPDATE records SET value = key('7 x 9') WHERE space = 0");
  check_only(sick.check(true).problems, Kind::fence, std::nullopt,
             "stop all users and move the directory aside");
  const std::vector<Problem> again = sick.check(true).problems;
  check_only(again, Kind::fence, std::nullopt, "fence");
  CHECK_FALSE(again[0].fixed);
}

TEST_CASE("a file that no value refers to is removed") {
  const Sick sick;
  const fs::path directory = sick.path() / "values" / "ab" / "cd";
  fs::create_directories(directory);
  write_file(directory / std::string(28, 'e'), "left over");
  fs::copy_file(sick.file_of("large1"), directory / std::string(28, '0'));
  const std::vector<Problem> problems = sick.found_and_mended();
  CHECK(problems.size() == 2);
  for (const Problem& problem : problems) CHECK(problem.kind == Kind::leftover);
  CHECK(sick.count_files() == kLarge);
  sick.check_others();
}

TEST_CASE("files that are not ours are reported and left") {
  const Sick sick;
  const fs::path values = sick.path() / "values";
  const std::vector<fs::path> strangers{values / "notes.txt",
                                        values / "ab" / "notes.txt",
                                        values / "ab" / "cd" / "notes.txt",
                                        values / "ab" / "cd" / std::string(28, 'G'),
                                        values / "ab" / "cd" / std::string(29, 'a'),
                                        values / "new" / "notes.txt",
                                        values / "zz" / "notes.txt"};
  for (const fs::path& stranger : strangers) {
    fs::create_directories(stranger.parent_path());
    write_file(stranger, "mine");
  }
  fs::create_symlink("/etc/passwd", values / "ab" / "cd" / std::string(28, 'a'));
  const CheckReport report = sick.check(true);
  CHECK(report.problems.size() == strangers.size() + 1);
  for (const Problem& problem : report.problems) {
    CHECK(problem.kind == Kind::foreign);
    CHECK_FALSE(problem.fixed);
  }
  for (const fs::path& stranger : strangers) CHECK(read_file(stranger) == "mine");
  CHECK(fs::is_symlink(values / "ab" / "cd" / std::string(28, 'a')));
  sick.check_others();
}

TEST_CASE("a file that a commit has let go of is no problem, and mending removes it") {
  const Sick sick;
  // As a writer leaves it that is killed between its commit and the removal of the file.
  const fs::path file = sick.file_of("large3");
  sick.sql("INSERT INTO trash SELECT file FROM entries WHERE key = key('large3')");
  sick.sql("DELETE FROM tags WHERE id IN (SELECT id FROM entries WHERE key = key('large3'))");
  sick.sql("DELETE FROM entries WHERE key = key('large3')");
  sick.sql("UPDATE meta SET value = CAST(CAST(value AS INTEGER) - 40000 AS BLOB) WHERE name = 'file_bytes'");
  static_cast<void>(sick.check(false));
  CHECK(fs::exists(file));
  static_cast<void>(sick.check(true));
  CHECK_FALSE(fs::exists(file));
  CHECK(sick.answer("SELECT count(*) FROM trash") == "0");
  CHECK(Sick::texts(sick.check(false)) == std::vector<std::string>{});
  sick.check_others({"large3"});
}

TEST_CASE("a damaged structure is reported, and nothing is changed") {
  const Sick sick;
  sick.sql("PRAGMA wal_checkpoint(TRUNCATE)");
  const fs::path stray = sick.path() / "values" / "ab" / "cd" / std::string(28, 'e');
  fs::create_directories(stray.parent_path());
  write_file(stray, "left over");
  std::string bytes = read_file(sick.database());
  std::uintmax_t cut_to = bytes.size();
  SUBCASE("a page of zeros") {
    const std::size_t page =
        std::stoul(sick.answer("SELECT rootpage FROM sqlite_schema WHERE name = 'entries'"));
    bytes.replace((page - 1) * 2048, 2048, 2048, '\0');
  }
  SUBCASE("the index of files") {
    const std::size_t page =
        std::stoul(sick.answer("SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_file'"));
    bytes.replace((page - 1) * 2048, 2048, 2048, '\xFF');
  }
  SUBCASE("cut short while it is open") { cut_to = bytes.size() / 2048 / 2 * 2048; }
  write_file(sick.database(), bytes);
  {
    Cache cache(sick.path());
    fs::resize_file(sick.database(), cut_to);
    const CheckReport report = cache.check({.fix = true});
    REQUIRE(!report.problems.empty());
    CHECK(report.problems[0].kind == Kind::database);
    CHECK(has(report.problems[0].text, "stop all users and move the directory aside"));
    for (const Problem& problem : report.problems) {
      CAPTURE(problem.text);
      CHECK_FALSE(problem.fixed);
    }
  }
  CHECK(read_file(stray) == "left over");
  CHECK(sick.count_files() == kLarge + 1);
  CHECK_FALSE(fs::exists(sick.path() / "damaged"));
}

TEST_CASE("what cannot be mended is reported as such") {
  const Sick sick;
  sick.sql("UPDATE entries SET value = x'00' WHERE key IN (key('small7'), key('small8'))");
  // Nothing can be set aside.
  write_file(sick.path() / "damaged", "a file of somebody");
  const CheckReport report = sick.check(true);
  REQUIRE(report.problems.size() == 2);
  for (const Problem& problem : report.problems) {
    CHECK_FALSE(problem.fixed);
    CHECK(has(problem.text, "not mended: "));
  }
  fs::remove(sick.path() / "damaged");
  CHECK(sick.found_and_mended().size() == 2);
  sick.check_others({"small7", "small8"});
}
