// SPDX-License-Identifier: Apache-2.0
//
// The promises that every engine keeps, as tests that run on each. A test is written as
//
//   ENGINE_TEST("what is set can be got") { cache.set("k", "v"); CHECK(cache.get("k") == "v"); }
//
// and runs once an engine, on a fresh cache; a failure names the engine. Its body is a member of Subject.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/state.hpp"
#include "dcache/cache.hpp"
#include "dcache/store.hpp"
#include "support/check.hpp"
#include "support/temp_dir.hpp"

namespace dcache::test {

struct Engine {
  const char* name;
  /// A cache, new if there is none in `directory`. Engines that keep nothing ignore that.
  Cache (*open)(const std::filesystem::path& directory, Options options);
  bool reopens;     ///< whether opening again finds what was stored
  bool one = true;  ///< a single store, so that a transaction may have any keys
};

const std::vector<Engine>& engines();

/// What a test is about: a fresh cache of one engine.
class Subject {
 public:
  explicit Subject(const Engine& engine, const Options& options = {})
      : engine_(engine), cache(engine.open(dir_ / "cache", options)) {}

  [[nodiscard]] Store& store() const { return cache.state()->store(); }
  /// Another fresh cache of the same engine.
  [[nodiscard]] Subject another(const Options& options = {}) const { return Subject(engine_, options); }
  /// Closes the cache and opens it again, where that makes sense.
  void reopen() {
    if (engine_.reopens) cache = engine_.open(dir_ / "cache", {});
  }

 private:
  TempDir dir_;
  const Engine& engine_;

 public:
  Cache cache;
};

using Keys = std::vector<std::string>;
/// The keys of a listing, in its order.
Keys keys(const Cache& cache, const EntryFilter& filter = {});

/// Fails the test unless the cache holds these keys and no others.
void check_keys(const Cache& cache, Keys expected);

/// Stores PREFIX0, PREFIX1 and so on with their numbers as values: in one transaction, if it may have them
/// all.
void store_numbered(Cache& cache, int count, const std::string& prefix, const SetOptions& options = {});

enum class On { every_engine, single_stores };
template <class Test>
void on_engines(On on) {
  for (const Engine& engine : engines()) {
    if (on == On::single_stores && !engine.one) continue;
    SUBCASE(engine.name) { Test(engine).run(); }
  }
}

}  // namespace dcache::test

#define DCACHE_ENGINE_TEST(name, sentence, on)  \
  namespace {                                   \
  struct name : dcache::test::Subject {         \
    using Subject::Subject;                     \
    void run();                                 \
  };                                            \
  }                                             \
  TEST_CASE(sentence) { on_engines<name>(on); } \
  void name::run()
#define ENGINE_TEST(sentence) DCACHE_ENGINE_TEST(DOCTEST_ANONYMOUS(EngineTest), sentence, On::every_engine)
/// For what a cache of several shards does in another way: tests/shards has tests of that.
#define STORE_TEST(sentence) DCACHE_ENGINE_TEST(DOCTEST_ANONYMOUS(EngineTest), sentence, On::single_stores)
