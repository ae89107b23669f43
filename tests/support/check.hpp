// SPDX-License-Identifier: Apache-2.0
//
// What most tests include: doctest, a cache in a directory of its own, and small helpers for checks.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "dcache/cache.hpp"
#include "dcache/error.hpp"
#include "support/temp_dir.hpp"

namespace dcache::test {

using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers): of tests

/// A cache in a directory of its own.
struct OneCache {
  TempDir dir;
  Cache cache{dir / "cache"};

  [[nodiscard]] std::string path() const { return (dir / "cache").native(); }
};

/// What `f` returns, or throws, on a thread of its own.
template <class F>
auto elsewhere(F&& f) {
  return std::async(std::launch::async, std::forward<F>(f)).get();
}

/// The text of the E that `f` throws; fails the test if it throws none.
template <class E, class F>
std::string thrown(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  FAIL_CHECK("nothing was thrown");
  return {};
}

[[nodiscard]] inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

#if defined(__has_feature)
#define DCACHE_TEST_HAS_FEATURE(x) __has_feature(x)
#else
#define DCACHE_TEST_HAS_FEATURE(x) 0
#endif

/// The sanitizer's own checks open pipes: a test that has no descriptors left cannot run under it.
inline constexpr bool kAddressSanitizer = DCACHE_TEST_HAS_FEATURE(address_sanitizer);

/// Polls until `condition` holds; false if `limit` passes first.
template <std::invocable F>
bool eventually(F&& condition, std::chrono::milliseconds limit = 10s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

/// A seed for a randomised test: DCACHE_TEST_SEED if that is set, so that a failure can be repeated.
[[nodiscard]] inline std::uint64_t new_seed() {
  if (const char* given = std::getenv("DCACHE_TEST_SEED")) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

/// How often a long test runs its body: `quick`, times DCACHE_TEST_FACTOR where that is set: many at night, a
/// part of it where everything is slow.
[[nodiscard]] inline int rounds(int quick) {
  const char* factor = std::getenv("DCACHE_TEST_FACTOR");
  return factor != nullptr ? std::max(1, static_cast<int>(quick * std::atof(factor))) : quick;
}

}  // namespace dcache::test

// Test files are full of these names.
using namespace dcache;        // NOLINT(google-global-names-in-headers)
using namespace dcache::test;  // NOLINT(google-global-names-in-headers)
