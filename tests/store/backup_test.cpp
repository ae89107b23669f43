// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <filesystem>

#include "cache/state.hpp"
#include "dcache/lock.hpp"
#include "dcache/store.hpp"
#include "support/check.hpp"
#include "support/files.hpp"

namespace fs = std::filesystem;

namespace {

void check_healthy(Cache& cache) {
  for (const Problem& problem : cache.check().problems) FAIL_CHECK(problem.text);
}

std::size_t count_files(const fs::path& directory) {
  std::size_t count = 0;
  if (!fs::exists(directory)) return 0;
  for (const auto& file : fs::recursive_directory_iterator(directory)) count += file.is_directory() ? 0 : 1;
  return count;
}

/// Small and large values that belong together, replaced all the time.
class Replacer {
 public:
  explicit Replacer(const std::string& path)
      : cache_(path), thread_([this] {
          for (int i = 0; !stop_; ++i) {
            cache_.transact([&](Transaction& transaction) {
              const std::string number = std::to_string(1000 + i);
              transaction.set("small", number);
              for (int k = 0; k < 4; ++k) {
                std::string value(60'000, static_cast<char>('a' + i % 26));
                transaction.set("large" + std::to_string(k), value.replace(0, number.size(), number));
              }
            });
            ++done_;
          }
        }) {}
  Replacer(const Replacer&) = delete;
  Replacer& operator=(const Replacer&) = delete;
  ~Replacer() { end(); }

  void end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] int done() const { return done_; }

 private:
  Cache cache_;
  std::atomic<bool> stop_{false};
  std::atomic<int> done_{0};
  std::thread thread_;
};

struct Stop {};

}  // namespace

TEST_CASE_FIXTURE(OneCache,
                  "a backup is one moment of a cache that is being written, large values included") {
  Replacer replacer(path());
  CHECK(eventually([&] { return replacer.done() > 0; }));
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    const int before = replacer.done();
    cache.backup(dir / "b", {.overwrite = true});
    const fs::path copy = dir / ("copy" + std::to_string(i));
    Cache restored = Cache::restore(dir / "b", copy);
    const std::string number = restored.get("small").value();
    for (int k = 0; k < 4; ++k) {
      CHECK(restored.get("large" + std::to_string(k)).value().substr(0, number.size()) == number);
    }
    check_healthy(restored);
    CHECK(eventually([&] { return replacer.done() > before; }));
    fs::remove_all(copy);
  }
  replacer.end();
  // What was kept for the backups is gone again.
  cache.expire();
  CHECK(count_files(dir / "cache" / "values") == 4);
  check_healthy(cache);
}

TEST_CASE_FIXTURE(OneCache, "files of a backup that died are not kept for it for ever") {
  cache.set("large", std::string(100'000, 'a'));
  const fs::path held = dir / "cache" / "values" / "held";
  fs::create_directories(held);
  // The session of a process that is certainly gone: of another boot.
  write_file(held / (std::string(32, '0') + "-not-a-session"), "");
  CHECK(cache.erase("large"));
  const bool kept = count_files(dir / "cache" / "values") > 1;
  // In doubt it is alive; then a person may remove it, and a sweep does the rest.
  if (kept) fs::remove_all(held);
  cache.expire();
  CHECK(count_files(dir / "cache" / "values") - count_files(held) == 0);
  check_healthy(cache);
}

TEST_CASE_FIXTURE(OneCache,
                  "a restored cache has values, expiry, tags, formats, order and settings of the old one") {
  cache.configure([](Settings& settings) { settings.size_limit = 100 << 20; });
  cache.set("z", "first", {.expire = 1h, .tags = {"a", "b"}});
  cache.set("large", ByteView(std::string(3 << 20, 'x')).as(Format::bytes), {.tags = "a"});
  cache.set("empty", "");
  cache.incr("n", 7);
  cache.backup(dir / "b");
  Cache copy = Cache::restore(dir / "b", dir / "copy");
  auto theirs = copy.entries().begin();
  for (const Entry& entry : cache.entries()) {
    CAPTURE(entry.key);
    REQUIRE(theirs != copy.entries().end());
    CHECK(theirs->key == entry.key);
    CHECK(theirs->value == entry.value);
    CHECK(theirs->expires == entry.expires);
    CHECK(theirs->stored == entry.stored);
    CHECK(theirs->tags == entry.tags);
    CHECK(theirs->format == entry.format);
    ++theirs;
  }
  CHECK(theirs == copy.entries().end());
  CHECK(copy.settings().size_limit == 100 << 20);
  CHECK(copy.evict("a") == 2);
  CHECK(copy.state()->store().uuid() != cache.state()->store().uuid());
  check_healthy(copy);
}

TEST_CASE_FIXTURE(OneCache, "locks are not in a backup, and its fences are above those of the old cache") {
  SyncLock lock(cache, "k");
  lock.lock();
  cache.backup(dir / "b");
  Cache copy = Cache::restore(dir / "b", dir / "copy");
  CHECK(copy.stats().locks == 0);
  // The old cache goes on handing out fences.
  lock.unlock();
  lock.lock();
  SyncLock theirs(copy, "k");
  theirs.lock();
  CHECK(theirs.fence() > lock.fence());
  CHECK_THROWS_AS(copy.set("k", "v", {.guard = lock}), InvalidArgument);
}

TEST_CASE_FIXTURE(OneCache, "a backup that is stopped leaves nothing, wherever it is") {
  cache.set("large", std::string(3 << 20, 'x'));
  cache.set("small", "v");
  std::uint64_t calls = 0;
  cache.backup(dir / "b", {.on_progress = [&](std::uint64_t done, std::uint64_t total) {
                 ++calls;
                 CHECK(done <= total);
               }});
  REQUIRE(calls > 2);
  fs::remove(dir / "b");
  for (std::uint64_t at = 1; at < calls; ++at) {
    CAPTURE(at);
    std::uint64_t call = 0;
    const auto stop = [&](std::uint64_t, std::uint64_t) {
      if (++call == at) throw Stop();
    };
    CHECK_THROWS_AS(cache.backup(dir / "b", {.on_progress = stop}), Stop);
    CHECK(count_files(dir.path()) == count_files(dir / "cache"));
  }
  CHECK(count_files(dir / "cache" / "values") == 1);
  cache.backup(dir / "b");
  CHECK_THROWS_AS(static_cast<void>(Cache::restore(dir / "b", dir / "copy", {},
                                                   [](std::uint64_t done, std::uint64_t total) {
                                                     if (done > total / 2) throw Stop();
                                                   })),
                  Stop);
  CHECK_FALSE(fs::exists(dir / "copy"));
}

TEST_CASE_FIXTURE(OneCache,
                  "an existing file is replaced only if that is asked for, and no link is followed") {
  write_file(dir / "b", "mine");
  CHECK(has(thrown<AlreadyExists>([&] { cache.backup(dir / "b"); }), "b' is there already"));
  CHECK(read_file(dir / "b") == "mine");
  fs::create_symlink(dir / "b", dir / "link");
  CHECK_THROWS_AS(cache.backup(dir / "link"), AlreadyExists);
  cache.backup(dir / "link", {.overwrite = true});
  CHECK(fs::is_regular_file(fs::symlink_status(dir / "link")));
  CHECK(read_file(dir / "b") == "mine");
  CHECK(mode_of(dir / "link") == 0600);
  CHECK_THROWS_AS(cache.backup(dir / "cache"), InvalidArgument);
  CHECK_THROWS_AS(cache.backup(dir / "no" / "b"), IoError);
  CHECK_THROWS_AS(cache.backup(""), InvalidArgument);
}

TEST_CASE_FIXTURE(OneCache, "a backup is not taken for a cache") {
  cache.backup(dir / "b");
  fs::create_directory(dir / "other");
  fs::permissions(dir / "other", fs::perms::owner_all);
  fs::rename(dir / "b", dir / "other" / "cache.db");
  CHECK(has(thrown<NotACache>([&] { const Cache other(dir / "other"); }), "restore it"));
}

TEST_CASE_FIXTURE(OneCache, "neither is possible inside a transaction") {
  cache.transact([&](Transaction&) {
    CHECK_THROWS_AS(cache.backup(dir / "b"), Misuse);
    CHECK_THROWS_AS(cache.compact(), Misuse);
  });
  CHECK_FALSE(fs::exists(dir / "b"));
}
