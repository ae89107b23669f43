// SPDX-License-Identifier: Apache-2.0
//
// A check beside writers finds nothing and takes nothing away from them; and what killed writers leave behind
// it finds and removes.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "check/sick.hpp"
#include "check/values.hpp"

namespace fs = std::filesystem;

namespace {

/// The helper program beside this one, running; killed at the end.
class Writer {
 public:
  Writer(const fs::path& cache, const std::string& mode, std::uint64_t seed = 0) {
    const std::string program = fs::read_symlink("/proc/self/exe").replace_filename("test_check_writer");
    std::vector<std::string> words{program, cache.native(), mode};
    if (mode == "write") words.push_back(std::to_string(seed));
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    REQUIRE(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    // Until it says "ready" or has ended.
    char byte = 0;
    started_ = ::read(ends[0], &byte, 1) == 1;
    ::close(ends[0]);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { kill(); }

  [[nodiscard]] bool started() const { return started_; }
  /// Whether it still runs.
  [[nodiscard]] bool runs() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ > 0;
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  bool started_ = false;
};

std::vector<fs::path> files_below(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& file : fs::recursive_directory_iterator(directory)) {
    if (!file.is_directory()) files.push_back(file.path());
  }
  return files;
}

/// Every value is whole, and there is one file for each that is large.
void check_all_whole(const fs::path& path) {
  const Cache cache(path);
  std::size_t large = 0;
  for (const Entry& entry : cache.entries()) {
    CAPTURE(entry.key);
    CHECK(is_value_of(entry.key, entry.value));
    if (entry.size > 32'768) ++large;
  }
  CHECK(files_below(path / "values").size() == large);
}

}  // namespace

TEST_SUITE("process") {
  TEST_CASE("a check beside writers finds nothing, removes nothing and holds nobody up") {
    const TempDir dir;
    const fs::path path = dir / "cache";
    const std::uint64_t seed = new_seed();
    CAPTURE(seed);
    std::vector<std::unique_ptr<Writer>> writers;
    for (std::uint64_t i = 0; i < 4; ++i)
      writers.push_back(std::make_unique<Writer>(path, "write", seed + i));
    Cache cache(path);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(rounds(4));
    std::size_t checks = 0;
    for (; std::chrono::steady_clock::now() < end; ++checks) {
      CHECK(Sick::texts(cache.check({.fix = checks % 2 == 1})) == std::vector<std::string>{});
    }
    MESSAGE(checks << " checks");
    CHECK(checks > 1);
    for (const auto& writer : writers) {
      CHECK(writer->runs());
      writer->kill();
    }
    CHECK_FALSE(fs::exists(path / "damaged"));
    static_cast<void>(cache.check({.fix = true}));
    CHECK(Sick::texts(cache.check()) == std::vector<std::string>{});
    check_all_whole(path);
    CHECK(integrity(path) == "ok");
  }

  TEST_CASE("a file of a writer that died is found and removed, one that lives keeps it") {
    const Sick sick;
    for (const char* when : {"writing", "placed"}) {
      CAPTURE(when);
      Writer writer(sick.path(), when);
      CHECK_FALSE(writer.started());
      CHECK(sick.count_files() > kLarge);
      const std::vector<Problem> problems = sick.found_and_mended();
      REQUIRE(problems.size() == 1);
      CHECK(problems[0].kind == Kind::leftover);
      CHECK(has(problems[0].text, "a writer that died left 'values/new/"));
      CHECK(sick.count_files() == kLarge);
    }
    Writer writer(sick.path(), "alive");
    CHECK(writer.started());
    CHECK(Sick::texts(sick.check(true)) == std::vector<std::string>{});
    CHECK(sick.count_files() == kLarge + 2);
    writer.kill();
    CHECK(sick.found_and_mended().size() == 1);
    CHECK(sick.count_files() == kLarge);
    sick.check_others();
  }

  TEST_CASE("the file of a commit that was never announced goes only when the commit cannot come back") {
    for (const bool by_check : {false, true}) {
      const TempDir dir;
      const fs::path path = dir / "cache";
      {
        Cache cache(path);
        cache.set("mine", "v");
        const Writer writer(path, "unannounced");
        CHECK(cache.get("small") == "v");
        REQUIRE(cache.get("large") == std::nullopt);
        if (by_check) {
          CHECK(cache.check({.fix = true}).problems.size() == 1);
        } else {
          cache.expire();
        }
        CHECK(files_below(path / "values").empty());
      }
      // Whoever opens it first reads the log anew.
      Cache cache(path);
      CHECK(cache.get("small") == "v");
      CHECK(cache.get("large") == std::nullopt);
      CHECK(Sick::texts(cache.check()) == std::vector<std::string>{});
    }
  }

  TEST_CASE("what killed writers leave is found and swept") {
    const TempDir dir;
    const fs::path path = dir / "cache";
    const std::uint64_t seed = new_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::size_t left = 0;
    for (int i = 0; i < rounds(20); ++i) {
      {
        Writer one(path, "write", random());
        Writer two(path, "write", random());
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
      }
      Cache cache(path);
      for (const Problem& problem : cache.check({.fix = true}).problems) {
        CAPTURE(problem.text);
        CHECK(problem.kind == Kind::leftover);
        CHECK(problem.fixed);
        ++left;
      }
      CHECK(Sick::texts(cache.check()) == std::vector<std::string>{});
    }
    MESSAGE(left << " files were left behind");
    check_all_whole(path);
  }
}
