// SPDX-License-Identifier: Apache-2.0
//
// What goes when a cache outgrows its size limit.
#include "bench/traces.hpp"
#include "conformance/engines.hpp"

namespace {

constexpr std::uint64_t kRoom = 512 << 10;
const std::string kValue(1000, 'v');

void limit_to(Cache& cache, Policy policy) {
  cache.configure([&](Settings& settings) { settings = {.size_limit = kRoom, .policy = policy}; });
}

std::string item(std::string_view what, int i) { return std::string(what) + std::to_string(i); }

void fill(Cache& cache, std::string_view what, int from, int to) {
  for (int i = from; i < to; ++i) cache.set(item(what, i), kValue);
}

int left_of(Cache& cache, std::string_view what, int number) {
  int left = 0;
  for (int i = 0; i < number; ++i) left += cache.contains(item(what, i)) ? 1 : 0;
  return left;
}

void read(Cache& cache, std::string_view what, int number) {
  for (int i = 0; i < number; ++i) static_cast<void>(cache.get(item(what, i)));
}

/// Fifty that are read between runs of new ones that nobody reads.
void scan_beside_used(Cache& cache, int scanned) {
  fill(cache, "used", 0, 50);
  for (int i = 0; i < scanned; i += 50) {
    read(cache, "used", 50);
    fill(cache, "scan", i, i + 50);
  }
  CHECK(cache.bytes() <= kRoom);
}

/// Several entries of a sharded cache may share what is known of their use.
constexpr int few_lost(int number) { return number * 9 / 10; }

/// Hits of a cache by its policy beside those of an exact one that holds as many entries.
struct Hits {
  double ours = 0;
  double exact_sieve = 0;
  double exact_lru = 0;
};

Hits hits_of(Cache& cache, const bench::Trace& trace) {
  Hits hits;
  hits.ours = bench::hit_ratio(trace, [&](std::uint32_t key) {
    const std::string name = item("k", static_cast<int>(key));
    if (cache.get(name)) return true;
    cache.set(name, kValue);
    return false;
  });
  bench::ExactSieve sieve(cache.size());
  bench::ExactLru lru(cache.size());
  hits.exact_sieve = bench::hit_ratio(trace, [&](std::uint32_t key) { return sieve.ask(key); });
  hits.exact_lru = bench::hit_ratio(trace, [&](std::uint32_t key) { return lru.ask(key); });
  return hits;
}

}  // namespace

ENGINE_TEST("sieve keeps what is read, and a scan of new keys does not push it out") {
  limit_to(cache, Policy::sieve);
  scan_beside_used(cache, 2000);
  CHECK(left_of(cache, "used", 50) >= few_lost(50));
}

ENGINE_TEST("sieve spares a value that was overwritten, once") {
  limit_to(cache, Policy::sieve);
  fill(cache, "old", 0, 50);
  fill(cache, "old", 0, 25);
  int i = 0;
  while (left_of(cache, "old", 50) > 30) fill(cache, "new", i, i + 1), ++i;
  CHECK(left_of(cache, "old", 25) >= few_lost(25));
}

ENGINE_TEST("lru keeps what was read of late") {
  limit_to(cache, Policy::lru);
  scan_beside_used(cache, 1000);
  // Of a sample the oldest goes: not always the oldest of all.
  CHECK(left_of(cache, "used", 50) >= 40);
  fill(cache, "more", 0, 4000);
  CHECK(left_of(cache, "used", 50) <= 15);
}

ENGINE_TEST("lru finds what is old although nothing was stored for long behind it") {
  limit_to(cache, Policy::lru);
  fill(cache, "used", 0, 50);
  std::this_thread::sleep_for(2s);
  fill(cache, "more", 0, 4000);
  CHECK(left_of(cache, "used", 50) <= 5);
}

ENGINE_TEST("lfu keeps what was read often, although others were read later") {
  limit_to(cache, Policy::lfu);
  fill(cache, "used", 0, 50);
  for (int round = 0; round < 200; ++round) read(cache, "used", 50);
  for (int i = 0; i < 1000; ++i) {
    fill(cache, "scan", i, i + 1);
    CHECK(cache.get(item("scan", i)));
  }
  CHECK(cache.bytes() <= kRoom);
  CHECK(left_of(cache, "used", 50) >= 15);
}

ENGINE_TEST("oldest goes by insertion alone") {
  limit_to(cache, Policy::oldest);
  fill(cache, "used", 0, 50);
  for (int i = 0; i < 1000 && cache.contains("used0"); ++i) {
    read(cache, "used", 1);
    fill(cache, "scan", i, i + 1);
  }
  CHECK_FALSE(cache.contains("used0"));
}

ENGINE_TEST("every policy evicts while everything is read all the time") {
  for (const Policy policy : {Policy::sieve, Policy::lru, Policy::lfu}) {
    CAPTURE(static_cast<int>(policy));
    limit_to(cache, policy);
    for (int i = 0; i < 600; ++i) {
      fill(cache, "k", i, i + 1);
      CHECK(cache.contains(item("k", i)));
      if (i % 50 != 0) continue;
      for (const std::string& key : keys(cache)) CHECK(cache.get(key));
    }
    CHECK(cache.bytes() <= kRoom);
    cache.clear();
  }
}

ENGINE_TEST("sieve hits as often as an exact SIEVE that holds as much, and as an exact LRU or more") {
  limit_to(cache, Policy::sieve);
  const auto requests = static_cast<std::size_t>(rounds(12'000));
  SUBCASE("by Zipf's law") {
    const Hits hits = hits_of(cache, bench::zipf_trace(4000, requests, 1));
    CHECK(hits.ours >= hits.exact_sieve - 0.02);
    CHECK(hits.ours >= hits.exact_lru - 0.01);
  }
  SUBCASE("with scans") {
    const Hits hits = hits_of(cache, bench::scan_trace(4000, requests, 2));
    CHECK(hits.ours >= hits.exact_sieve - 0.02);
    CHECK(hits.ours >= hits.exact_lru - 0.01);
  }
  SUBCASE("in a loop") {
    const Hits hits = hits_of(cache, bench::loop_trace(800, requests));
    CHECK(hits.ours >= hits.exact_sieve - 0.02);
  }
}

ENGINE_TEST("another policy or limit takes effect with the next write") {
  limit_to(cache, Policy::none);
  fill(cache, "k", 0, 20);
  for (const Policy policy : {Policy::lfu, Policy::sieve, Policy::oldest, Policy::lru}) {
    cache.configure([&](Settings& settings) {
      settings = {.size_limit = kRoom / 2 + 4096 * static_cast<std::uint64_t>(policy), .policy = policy};
    });
    fill(cache, "more", 0, 1000);
    CHECK(cache.bytes() <= cache.settings().size_limit);
    CHECK(cache.size() > 50);
  }
}
