// SPDX-License-Identifier: Apache-2.0
//
// What people do with py-cachify: a lock with a time, and functions with a lock or a memory around them.
//   py_cachify DIRECTORY
#include <iostream>

#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  dcache::Cache cache{argv[1]};

  // The same lock taken twice: the second one has to wait until the lease of the first is over.
  dcache::SyncLock first{cache, "two-tasks", {.lease = 2s}};
  const auto start = std::chrono::steady_clock::now();
  first.lock();
  dcache::SyncLock second{cache, "two-tasks", {.timeout = 4s}};
  for (int i = 0; i < 4; ++i) {
    if (!second.try_lock()) std::cout << "is already locked!\n";
  }
  second.lock();
  const bool in_time = std::chrono::steady_clock::now() - start > 1900ms;
  std::cout << "in, when the lease of the first one was over: " << std::boolalpha << in_time << '\n';
  // The first one cannot let a third one in.
  const bool lost = first.release() == dcache::Release::lost;
  std::cout << "release of the first one: " << (lost ? "lost" : "?") << ", still locked: " << second.locked()
            << '\n';
  second.unlock();

  // A function that runs once at a time for equal arguments, and one whose results are kept.
  auto greet = dcache::synchronized(cache, "greet", [](const std::string& name) { return "hello " + name; });
  std::cout << greet("Ada") << '\n';
  int calls = 0;
  auto square = dcache::memoized(cache, "square", [&](int n) { return ++calls, n * n; }, {.expire = 1h});
  std::cout << square(7) + square(7) << " after " << calls << " call\n";
  // Forget one result; clear a lock that nobody gives back.
  cache.erase(dcache::key_of("square", 7));
  std::cout << square(7) << " after " << calls << " calls\n";
}
