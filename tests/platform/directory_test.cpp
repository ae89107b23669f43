// SPDX-License-Identifier: Apache-2.0
//
// Which directories become caches, which do not, and that a refusal leaves everything as it was.
#include "platform/directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/check.hpp"
#include "support/files.hpp"
#include "support/worker.hpp"

namespace fs = std::filesystem;

namespace {

constexpr const char* kNobody = "65534";

bool is_root() { return ::geteuid() == 0; }

/// Makes a directory that every user may pass through and write in.
fs::path open_to_all(const TempDir& dir) {
  ::chmod(dir.path().c_str(), 0755);
  const fs::path shared = dir / "shared";
  fs::create_directory(shared);
  ::chmod(shared.c_str(), 0777);
  return shared;
}

}  // namespace

TEST_SUITE("process") {
  TEST_CASE("a missing directory is made with mode 0700 and its files with 0600, whatever the umask") {
    for (const char* umask : {"000", "022", "077"}) {
      CAPTURE(std::string(umask));
      const TempDir dir;
      const fs::path cache = dir / "cache";
      Worker worker({std::string("--umask=") + umask, "shell", cache});
      REQUIRE(worker.line() == "ready");
      REQUIRE(worker.ask("set k v") == "ok");
      REQUIRE(worker.ask("lock l").starts_with("held"));
      CHECK(mode_of(cache) == 0700);
      int files = 0;
      for (const auto& file : fs::directory_iterator(cache)) {
        CAPTURE(file.path().native());
        CHECK(mode_of(file.path()) == 0600);
        ++files;
      }
      CHECK(files == 6);  // cache.db, -wal, -shm, board, life and spare
    }
  }

  TEST_CASE("missing parents are made only when asked for, with mode 0700 as well") {
    const TempDir dir;
    const fs::path deep = dir / "a" / "b" / "cache";
    const std::string text = thrown<IoError>([&] { Cache cache(deep); });
    CHECK(has(text, "Create::parents"));
    CHECK_FALSE(fs::exists(dir / "a"));
    run_worker({"--umask=000", "open", deep, "parents"});
    CHECK(mode_of(dir / "a") == 0700);
    CHECK(mode_of(dir / "a" / "b") == 0700);
    CHECK(Cache(deep).get("k") == "v");
  }

  TEST_CASE("a name that begins with file: is a directory, and what is stored there is on the disk") {
    const TempDir dir;
    for (const std::string name : {"file:x?mode=memory", "file::memory:", ":memory:"}) {
      CAPTURE(std::string(name));
      run_worker({"--cwd=" + dir.path().native(), "open", name});
      CHECK(fs::is_regular_file(dir / name / "cache.db"));
      CHECK(Cache(dir / name).get("k") == "v");
    }
  }

  TEST_CASE("a relative path, dots and trailing slashes lead to the same real directory") {
    const TempDir dir;
    fs::create_directory(dir / "sub");
    const std::string real = "opened " + (dir / "sub/cache").native();
    for (const std::string path : {"cache", "cache/", "cache//", "./cache", "../sub/cache", "cache/."}) {
      CAPTURE(path);
      CHECK(run_worker({"--cwd=" + (dir / "sub").native(), "open", path}).front() == real);
    }
  }

  TEST_CASE("a directory in which nothing may be made is ReadOnly, and left empty") {
    if (!is_root()) return;  // only root can become somebody whom modes keep out
    const TempDir dir;
    const fs::path shared = open_to_all(dir);
    fs::create_directory(shared / "cache");
    REQUIRE(::chown((shared / "cache").c_str(), 65534, 65534) == 0);
    ::chmod((shared / "cache").c_str(), 0500);
    Worker worker({std::string("--uid=") + kNobody, "open", shared / "cache"});
    const std::string answer = worker.line();
    CHECK(answer.starts_with("ReadOnly: "));
    CHECK(has(answer, (shared / "cache").native()));
    CHECK(fs::is_empty(shared / "cache"));
    // Nor can the directory itself be made in one that belongs to others.
    ::chmod(shared.c_str(), 0755);
    CHECK(Worker({std::string("--uid=") + kNobody, "open", shared / "new"}).line().starts_with("ReadOnly: "));
    CHECK_FALSE(fs::exists(shared / "new"));
  }

  TEST_CASE("a cache whose files cannot be written can still be read, or says why not, and is not changed") {
    if (!is_root()) return;
    const TempDir dir;
    const fs::path cache = open_to_all(dir) / "cache";
    const std::string as_nobody = std::string("--uid=") + kNobody;
    run_worker({as_nobody, "open", cache});
    for (const auto& file : fs::directory_iterator(cache)) ::chmod(file.path().c_str(), 0400);
    ::chmod(cache.c_str(), 0500);
    const auto before = snapshot(cache);
    const std::string look = Worker({as_nobody, "open", cache, "look"}).rest().back();
    CAPTURE(look);
    CHECK((look == "found v" || look.starts_with("ReadOnly: ")));
    const std::string store = Worker({as_nobody, "open", cache}).rest().back();
    CAPTURE(store);
    CHECK(store.starts_with("ReadOnly: "));
    const auto after = snapshot(cache);
    CHECK(after.at("cache.db") == before.at("cache.db"));
    CHECK(after.at("cache.db-wal") == before.at("cache.db-wal"));
  }

  TEST_CASE("another user's directory is closed to us, unless Options::allow_shared") {
    if (!is_root()) return;
    const TempDir dir;
    const fs::path cache = open_to_all(dir) / "cache";
    run_worker({std::string("--uid=") + kNobody, "open", cache});
    const auto before = snapshot(cache);
    const std::string text = thrown<Unsupported>([&] { Cache mine(cache); });
    CHECK(has(text, "65534"));
    CHECK(has(text, "allow_shared"));
    CHECK(snapshot(cache) == before);
    CHECK(Cache(cache, {.allow_shared = true}).get("k") == "v");
  }
}

TEST_CASE("a directory that group or others may write is refused, unless Options::allow_shared") {
  const TempDir dir;
  for (const mode_t mode : std::initializer_list<mode_t>{0770, 0702, 0777, 01777}) {
    CAPTURE(mode);
    const fs::path cache = dir / ("cache" + std::to_string(mode));
    fs::create_directory(cache);
    ::chmod(cache.c_str(), mode);
    const std::string text = thrown<Unsupported>([&] { Cache mine(cache); });
    CHECK(has(text, "chmod go-w"));
    CHECK(has(text, cache.native()));
    CHECK(fs::is_empty(cache));
    CHECK_NOTHROW(Cache(cache, {.allow_shared = true}));
  }
  for (const mode_t mode : std::initializer_list<mode_t>{0700, 0755, 0711}) {
    const fs::path cache = dir / ("good" + std::to_string(mode));
    fs::create_directory(cache);
    ::chmod(cache.c_str(), mode);
    CHECK_NOTHROW(Cache{cache});
  }
}

TEST_CASE("a file in place of the directory is InvalidArgument, and stays as it is") {
  const TempDir dir;
  write_file(dir / "file", "precious");
  CHECK(has(thrown<InvalidArgument>([&] { Cache cache(dir / "file"); }), "not a directory"));
  CHECK_THROWS_AS(Cache(dir / "file" / "cache"), InvalidArgument);
  CHECK_THROWS_AS(Cache(dir / "file" / "cache", {.create = Create::parents}), InvalidArgument);
  CHECK(read_file(dir / "file") == "precious");
}

TEST_CASE("a symbolic link to a directory leads to it, and the real path is told") {
  const TempDir dir;
  fs::create_directory(dir / "real");
  fs::create_directory_symlink(dir / "real", dir / "link");
  Cache through(dir / "link");
  CHECK(through.directory() == dir / "real");
  through.set("k", "v");
  CHECK(Cache(dir / "real").get("k") == "v");
  Cache below(dir / "link" / "sub");
  CHECK(below.directory() == dir / "real" / "sub");
}

TEST_CASE("a dangling link in place of the directory is refused, and its target is not made") {
  const TempDir dir;
  fs::create_directory_symlink(dir / "target", dir / "link");
  CHECK_THROWS_AS(Cache(dir / "link"), Error);
  CHECK_THROWS_AS(Cache(dir / "link", {.create = Create::parents}), Error);
  CHECK_FALSE(fs::exists(dir / "target"));
}

TEST_CASE("an empty name and a name with a NUL byte are InvalidArgument") {
  CHECK_THROWS_AS(Cache(""), InvalidArgument);
  CHECK_THROWS_AS(Cache(std::string("/tmp/dcache-test-nul\0x", 22)), InvalidArgument);
}

TEST_CASE("a name that is too long for the system is an IoError that does not flood") {
  const TempDir dir;
  CHECK_THROWS_AS(Cache(dir / std::string(300, 'n')), IoError);
}

TEST_CASE("create_file makes an empty file once and never touches an existing one") {
  const TempDir dir;
  CHECK(platform::create_file(dir / "new"));
  CHECK(mode_of(dir / "new") == 0600);
  write_file(dir / "new", "bytes");
  CHECK_FALSE(platform::create_file(dir / "new"));
  CHECK(read_file(dir / "new") == "bytes");
  fs::create_symlink(dir / "elsewhere", dir / "link");
  CHECK_FALSE(platform::create_file(dir / "link"));
  CHECK_FALSE(fs::exists(dir / "elsewhere"));
  CHECK_THROWS_AS(platform::create_file(dir / "no" / "such"), IoError);
}

TEST_CASE("file_info tells what is at a path and does not follow links") {
  const TempDir dir;
  write_file(dir / "file", "12345");
  fs::create_symlink(dir / "file", dir / "link");
  CHECK(platform::file_info(dir / "file").type == platform::FileType::regular);
  CHECK(platform::file_info(dir / "file").size == 5);
  CHECK(platform::file_info(dir / "link").type == platform::FileType::symlink);
  CHECK(platform::file_info(dir.path()).type == platform::FileType::directory);
  CHECK(platform::file_info(dir / "absent").type == platform::FileType::missing);
  CHECK(platform::file_info("/dev/null").type == platform::FileType::other);
  CHECK(platform::open_private_file(dir / "link", true) == -1);
}
