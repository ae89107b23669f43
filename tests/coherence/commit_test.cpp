// SPDX-License-Identifier: Apache-2.0
//
// A commit taken apart: at each call that SQLite makes of the system in it, others read. As soon as one of
// them has seen the new value, nobody sees the old one any more.
#include <functional>
#include <memory>
#include <stdexcept>

#include "support/check.hpp"
#include "support/hooked_vfs.hpp"

namespace {

/// What can be said of the keys, in one line.
std::string all_of(const Cache& cache) {
  std::string text;
  for (const char* key : {"k", "other"}) {
    const auto entry = cache.entry(key);
    text += entry ? entry->value.substr(0, 20) + (entry->expires ? " expires" : "") : "nothing";
    if (cache.get(key).value_or("nothing").substr(0, 20) !=
        (entry ? entry->value.substr(0, 20) : "nothing")) {
      text += " or another";
    }
    text += cache.contains(key) ? ", " : "!, ";
  }
  return text;
}

}  // namespace

TEST_CASE("once anybody has seen what a commit has changed, nobody sees it as it was before") {
  const std::vector<std::pair<const char*, std::function<void(Cache&)>>> changes{
      {"set", [](Cache& cache) { cache.set("k", "new"); }},
      {"set another", [](Cache& cache) { cache.set("other", "new"); }},
      {"set with tags", [](Cache& cache) { cache.set("k", "new", {.tags = "u"}); }},
      {"set a large value", [](Cache& cache) { cache.set("k", std::string(50'000, 'x')); }},
      {"erase", [](Cache& cache) { cache.erase("k"); }},
      {"pop", [](Cache& cache) { static_cast<void>(cache.pop("k")); }},
      {"replace", [](Cache& cache) { CHECK(cache.replace("k", "1", "new")); }},
      {"touch", [](Cache& cache) { cache.touch("k", 1h); }},
      {"incr", [](Cache& cache) { cache.incr("k"); }},
      {"evict", [](Cache& cache) { cache.evict("t"); }},
      {"clear", [](Cache& cache) { cache.clear(); }},
      {"two at once",
       [](Cache& cache) {
         cache.set_many({{"k", "new"}, {"other", "new"}});
       }},
      {"many at once",
       [](Cache& cache) {
         cache.transact([&](Transaction& transaction) {
           for (int i = 0; i < 25'000; ++i) transaction.set("k" + std::to_string(i), "x");
           transaction.set("k", "new");
         });
       }},
      {"what is undone",
       [](Cache& cache) {
         CHECK_THROWS_AS(cache.transact([&](Transaction& transaction) {
           transaction.set("k", "uncommitted");
           throw std::runtime_error("undone");
         }),
                         std::runtime_error);
       }},
  };
  HookedVfs vfs;
  for (const auto& one : changes) {
    CAPTURE(one.first);
    const TempDir dir;
    Cache writer(dir / "cache");
    std::vector<std::unique_ptr<Cache>> readers;
    for (int i = 0; i < 3; ++i) readers.push_back(std::make_unique<Cache>(dir / "cache"));
    readers.push_back(std::make_unique<Cache>(dir / "cache", Options{.memory = 0}));
    writer.set("k", "1", {.tags = "t"});
    const std::string old = all_of(*readers.back());
    for (const auto& reader : readers) REQUIRE(all_of(*reader) == old);
    std::string seen = old;
    bool mixed = false;
    int calls = 0;
    const auto look = [&] {
      // Many pages are written: not at each of them.
      if (++calls > 200 && calls % 64 != 0) return;
      // Each in its turn is the first to look.
      for (std::size_t i = 0; i < readers.size(); ++i) {
        const std::string now = all_of(*readers[(i + static_cast<std::size_t>(calls)) % readers.size()]);
        if (now == seen) continue;
        mixed = mixed || seen != old || has(now, "uncommitted");
        seen = now;
      }
    };
    vfs.around_each_call(look);
    one.second(writer);
    vfs.around_each_call(nullptr);
    CHECK(calls >= 8);
    CHECK_FALSE(mixed);
    calls = 0;
    look();
    CHECK_FALSE(mixed);
    CHECK((seen == old) == (std::string(one.first) == "what is undone"));
  }
  CHECK(vfs.ran() > 100);
}
