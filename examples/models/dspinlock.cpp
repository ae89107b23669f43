// SPDX-License-Identifier: Apache-2.0
//
// What people do with dspinlock: one computes, the others wait for the result or take what is there.
//   dspinlock DIRECTORY
#include <atomic>
#include <future>
#include <iostream>
#include <vector>

#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  dcache::Cache cache{argv[1]};
  const std::string key = dcache::key_of("report", 2026, "Q4");

  std::atomic<int> computed = 0;
  const auto report = [&] {
    std::this_thread::sleep_for(50ms);
    return "report " + std::to_string(++computed);
  };
  std::vector<std::future<std::string>> callers;
  for (int i = 0; i < 8; ++i) {
    callers.push_back(std::async(std::launch::async, [&] {
      return dcache::get_or_set(cache, key, report, {.expire = 1h, .max_hold = 30min});
    }));
  }
  for (auto& caller : callers) {
    if (caller.get() != "report 1") std::cout << "computed twice!\n";
  }
  std::cout << "computed " << computed << " time for " << callers.size() << " callers\n";

  // Fail if it is there already.
  try {
    static_cast<void>(dcache::get_or_set(cache, key, report, {.if_present = dcache::IfPresent::fail}));
  } catch (const dcache::AlreadyExists& error) {
    std::cout << error.what() << '\n';
  }
  // A body that throws leaves "failed" behind, never "computed".
  const auto fails = []() -> std::string { throw std::runtime_error("no data"); };
  try {
    static_cast<void>(dcache::get_or_set(cache, "other", fails));
  } catch (const std::runtime_error& error) {
    std::cout << error.what() << "; stored: " << std::boolalpha << cache.contains("other") << '\n';
  }
}
