// SPDX-License-Identifier: Apache-2.0
//
// Damage at random: of a closed cache a copy is made, a part of one of its files is changed, and then the
// copy is used. Whatever comes of it is the right value, a miss or an error of ours: never wrong bytes, a
// crash or a hang.
//
// There are 250 copies, times DCACHE_TEST_FACTOR. Copy number i depends on seed + i alone, and on the
// undamaged cache, which is kept with the failed copy: DCACHE_MUTANT_OF=that/cache DCACHE_TEST_SEED=seed+i
// repeats it.
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>

#include "dcache/lock.hpp"
#include "support/check.hpp"
#include "support/database.hpp"
#include "support/files.hpp"
#include "support/outcome.hpp"

namespace fs = std::filesystem;

namespace {

constexpr int kSmall = 180;
constexpr int kLarge = 20;

std::string text_of(const std::string& key, std::size_t size) {
  std::string value = key + ":";
  while (value.size() < size) value += std::to_string(value.size() * 7919) + key;
  return value;
}

std::string value_of(const std::string& key) {
  if (key.starts_with("large")) return text_of(key, 33'000);
  // Some take pages of their own.
  const std::size_t number = std::stoul(key.substr(key.find_first_of("0123456789")));
  return text_of(key, number % 9 == 0 ? 5000 : 20 + number % 100);
}

std::vector<std::string> keys() {
  std::vector<std::string> keys;
  for (int i = 0; i < kSmall; ++i) keys.push_back("small" + std::to_string(i));
  for (int i = 0; i < kLarge; ++i) keys.push_back("large" + std::to_string(i));
  return keys;
}

/// All of it is in the log, all in the database, or a half in each.
void make_cache(const fs::path& path, bool log, bool database) {
  const std::vector<std::string> all = keys();
  const auto store = [&](std::size_t from, std::size_t to) {
    Cache cache(path);
    SyncLock lock(cache, "lock " + std::to_string(from));
    lock.lock();
    for (std::size_t i = from; i < to; ++i) {
      SetOptions options;
      if (i % 2 == 0) options.tags = {"even", "tag" + std::to_string(i % 5)};
      if (i % 3 == 0) options.expire = 24h;
      cache.set(all[i], value_of(all[i]), options);
    }
    // What a holder that dies leaves behind.
    static_cast<void>(lock.fence());
  };
  const std::size_t half = database && log ? all.size() / 2 : (database ? all.size() : 0);
  if (half > 0) {
    store(0, half);
    Database(path / "cache.db").run("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  if (half < all.size()) store(half, all.size());
}

/// Damages one file.
class Mutation {
 public:
  Mutation(const fs::path& cache, std::mt19937_64& random) : random_(random) {
    std::vector<fs::path> files;
    for (const auto& file : fs::recursive_directory_iterator(cache / "values")) {
      if (file.is_regular_file()) files.push_back(file.path());
    }
    std::sort(files.begin(), files.end());
    const std::uint64_t pick = below(10);
    path_ = cache / "cache.db";
    if (pick < 4 && fs::exists(cache / "cache.db-wal") && fs::file_size(cache / "cache.db-wal") > 0) {
      path_ = cache / "cache.db-wal";
    } else if (pick == 9) {
      path_ = files[below(files.size())];
    }
    bytes_ = read_file(path_);
    what_ = path_.filename().native() + " (" + std::to_string(bytes_.size()) + " bytes): ";
    change();
    // The copy's value files are links to those of the undamaged cache.
    fs::remove(path_);
    write_file(path_, bytes_);
  }

  [[nodiscard]] const std::string& what() const { return what_; }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % std::max<std::uint64_t>(n, 1); }

  void overwrite(std::size_t at, std::size_t size, const std::function<char()>& next) {
    what_ += " at " + std::to_string(at);
    for (std::size_t i = at; i < std::min(at + size, bytes_.size()); ++i) bytes_[i] = next();
  }

  void change() {
    constexpr std::size_t kPage = 2048;
    constexpr std::size_t kSector = 512;
    const auto noise = [this] { return static_cast<char>(random_()); };
    const std::size_t at = below(bytes_.size());
    switch (below(10)) {
      case 0:
      case 1:
        what_ += "one bit";
        overwrite(at, 1, [&] { return static_cast<char>(bytes_[at] ^ (1 << below(8))); });
        break;
      case 2:
        what_ += "one byte";
        overwrite(at, 1, noise);
        break;
      case 3:
        what_ += "a small number";
        overwrite(at, 2, [this] { return static_cast<char>(below(4)); });
        break;
      case 4:
        what_ += "16 bytes";
        overwrite(at, 16, noise);
        break;
      case 5:
        what_ += "a sector of zeros";
        overwrite(at / kSector * kSector, kSector, [] { return '\0'; });
        break;
      case 6:
        what_ += "a page of noise";
        overwrite(at / kPage * kPage, kPage, noise);
        break;
      case 7: {
        what_ += "a page of elsewhere";
        const std::string other = bytes_.substr(below(bytes_.size()) / kPage * kPage, kPage);
        std::size_t i = 0;
        overwrite(at / kPage * kPage, other.size(), [&] { return other[i++]; });
        break;
      }
      case 8:
        what_ += "cut to " + std::to_string(at);
        bytes_.resize(at);
        break;
      default:
        what_ += "cut to a page, " + std::to_string(at / kPage);
        bytes_.resize(at / kPage * kPage);
    }
  }

  std::mt19937_64& random_;
  fs::path path_;
  std::string bytes_;
  std::string what_;
};

/// One copy in use. What is not right is a failed check.
class Trial {
 public:
  Trial(const fs::path& path, std::mt19937_64& random, std::map<std::string, int>& outcomes)
      : path_(path), random_(random), outcomes_(outcomes) {}

  void run() {
    attempt("open", [&] {
      Cache cache(path_, {.timeout = 5s});
      // Looking first at all of it, or only after changes.
      if (random_() % 2 == 0) read_all(cache);
      lists(cache);
      changes(cache);
      read_all(cache);
      check(cache);
    });
    attempt("open again", [&] {
      Cache cache(path_, {.timeout = 5s});
      read_all(cache);
    });
  }

 private:
  /// Runs `f`; an error of ours is an outcome, anything else fails.
  void attempt(const std::string& name, const std::function<void()>& f) {
    const char* outcome = "done";
    try {
      f();
    } catch (const Corrupt&) {
      outcome = "Corrupt";
    } catch (const NotACache&) {
      outcome = "NotACache";
    } catch (const Error& error) {
      outcome = "another error";
      outcomes_[name + ": " + std::string(error.what()).substr(0, 60)]++;
    } catch (const std::exception& other) {
      FAIL_CHECK(name << " threw " << std::string(other.what()));
    }
    ++outcomes_[name + ": " + outcome];
  }

  [[nodiscard]] bool is_newest(const std::string& key, const std::string& value) const {
    const auto changed = changed_.find(key);
    return value == (changed != changed_.end() ? changed->second : value_of(key));
  }

  /// Where an index is damaged a value can be stored beside the older one, whose bytes are right for what
  /// they are. Until that is mended, either may be found.
  [[nodiscard]] bool is_right(const std::string& key, const std::string& value) {
    if (is_newest(key, value)) return true;
    ++outcomes_["an older value"];
    return value == value_of(key);
  }

  void read_all(Cache& cache) {
    for (const std::string& key : keys()) {
      attempt("get", [&] {
        const std::optional<std::string> value = cache.get(key);
        if (value && !is_right(key, *value)) FAIL_CHECK("wrong bytes for " << key << ": " << *value);
        ++outcomes_[value ? "get: hit" : "get: miss"];
      });
    }
  }

  void list(Cache& cache, const EntryFilter& filter) {
    attempt("list", [&] {
      std::size_t count = 0;
      for (const Entry& entry : cache.entries(filter)) {
        if (filter.values && !is_right(entry.key, entry.value)) {
          FAIL_CHECK("wrong bytes listed for " << entry.key);
        }
        if (++count > 10 * (kSmall + kLarge)) {
          FAIL_CHECK("the listing does not end");
          break;
        }
      }
    });
  }

  void lists(Cache& cache) {
    list(cache, {});
    list(cache, {.reverse = true});
    list(cache, {.order = Order::key});
    list(cache, {.order = Order::key, .reverse = true});
    list(cache, {.prefix = "small1"});
    list(cache, {.tags = {"even", "tag1"}, .match = Match::any});
    list(cache, {.values = false});
    attempt("size", [&] { static_cast<void>(cache.size()); });
    attempt("stats", [&] { static_cast<void>(cache.stats()); });
    attempt("locks", [&] { static_cast<void>(locks(cache)); });
  }

  void changes(Cache& cache) {
    const std::vector<std::string> all = keys();
    attempt("erase", [&] { cache.erase(all[random_() % all.size()]); });
    attempt("set", [&] { set(cache, all[random_() % all.size()], 50); });
    attempt("set large", [&] { set(cache, all[random_() % all.size()], 40'000); });
    attempt("pop", [&] {
      const std::string key = all[random_() % all.size()];
      const std::optional<std::string> value = cache.pop(key);
      if (value && !is_right(key, *value)) FAIL_CHECK("wrong bytes popped for " << key);
    });
    attempt("lock", [&] {
      SyncLock lock(cache, "a lock", {.timeout = 0s});
      if (lock.try_lock()) lock.unlock();
    });
    switch (random_() % 6) {
      case 0:
        attempt("evict", [&] { cache.evict({"tag1", "tag2"}, Match::any); });
        break;
      case 1:
        attempt("expire", [&] { cache.expire(); });
        break;
      case 2:
        attempt("clear", [&] { cache.clear(); });
        break;
      case 3:
        attempt("limit", [&] {
          cache.configure([](Settings& settings) { settings.size_limit = 400'000; });
          cache.cull();
          set(cache, all[random_() % all.size()], 50);
        });
        break;
      default:
        break;
    }
  }

  void set(Cache& cache, const std::string& key, std::size_t size) {
    const std::string value = text_of("new " + key, size);
    // Where setting fails, either may be there.
    try {
      cache.set(key, value, {.tags = "new"});
    } catch (...) {
      CHECK(either_of(cache, key, value));
      throw;
    }
    changed_[key] = value;
  }

  [[nodiscard]] bool either_of(Cache& cache, const std::string& key, const std::string& value) {
    try {
      const std::optional<std::string> found = cache.get(key);
      return !found || *found == value || is_right(key, *found);
    } catch (const Error&) {
      return true;
    }
  }

  void check(Cache& cache) {
    attempt("check", [&] {
      const bool fix = random_() % 4 != 0;
      const CheckReport report = cache.check({.fix = fix});
      bool all_fixed = true;
      for (const Problem& problem : report.problems) {
        ++outcomes_["check: " + std::string(name(problem.kind)) + (problem.fixed ? " fixed" : "")];
        all_fixed = all_fixed && problem.fixed;
      }
      if (!all_fixed) return;
      for (const Problem& problem : cache.check().problems) {
        FAIL_CHECK("still there after mending: " << problem.text);
      }
      for (const std::string& key : keys()) {
        const std::optional<std::string> value = cache.get(key);
        CHECK((!value || is_newest(key, *value)));
      }
      cache.set("mended", "v");
      CHECK(cache.get("mended") == "v");
    });
  }

  const fs::path path_;
  std::mt19937_64& random_;
  std::map<std::string, int>& outcomes_;
  std::map<std::string, std::string> changed_;
};

void copy_cache(const fs::path& from, const fs::path& to) {
  fs::create_directory(to);
  fs::permissions(to, fs::perms::owner_all);
  for (const auto& file : fs::directory_iterator(from)) {
    if (file.is_regular_file()) fs::copy_file(file.path(), to / file.path().filename());
  }
  fs::copy(from / "values", to / "values", fs::copy_options::recursive | fs::copy_options::create_hard_links);
}

}  // namespace

TEST_CASE("a damaged copy of a cache gives right values, misses or errors") {
  const TempDir dir;
  const std::uint64_t seed = new_seed();
  std::vector<fs::path> originals;
  int mutants = rounds(250);
  if (const char* original = std::getenv("DCACHE_MUTANT_OF")) {
    originals.assign(3, original);
    mutants = 1;
  } else {
    originals = {dir / "log", dir / "database", dir / "both"};
    make_cache(originals[0], true, false);
    make_cache(originals[1], false, true);
    make_cache(originals[2], true, true);
  }
  std::map<std::string, int> outcomes;
  for (int i = 0; i < mutants; ++i) {
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(i));
    const fs::path& original = originals[random() % originals.size()];
    const fs::path copy = dir / "copy";
    fs::remove_all(copy);
    copy_cache(original, copy);
    const Mutation mutation(copy, random);
    const std::string name = "seed " + std::to_string(seed + static_cast<std::uint64_t>(i)) + ", copy of '" +
                             original.native() + "', " + mutation.what();
    // For the case that nothing can be said any more.
    std::ofstream(dir / "mutation.txt") << name << '\n';
    CAPTURE(name);
    ::alarm(120);
    const auto start = std::chrono::steady_clock::now();
    Trial(copy, random, outcomes).run();
    CHECK(std::chrono::steady_clock::now() - start < 60s);
    if (failed_so_far()) return;
  }
  ::alarm(0);
  for (const auto& [outcome, count] : outcomes) std::cout << count << '\t' << outcome << '\n';
}
