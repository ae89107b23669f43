// SPDX-License-Identifier: Apache-2.0
//
// What people do with diskcache's recipes.
//   diskcache DIRECTORY
#include <iostream>

#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  dcache::Cache cache{argv[1]};

  dcache::Averager latency{cache, "latency"};
  for (const double ms : {10.0, 20.0, 60.0}) latency.add(ms);
  std::cout << "average " << latency.get().value_or(0) << '\n';

  dcache::Counter visits{cache, "visits"};
  visits.add(3);
  std::cout << "visits " << visits.add() << '\n';

  // Twice an hour; the third call would have to wait.
  for (int i = 0; i < 3; ++i) {
    // Making it again, here or in another process, does not fill the bucket.
    auto call = dcache::throttle(
        cache, "api", 2, 1h, [] { return "called"; }, 0s);
    try {
      std::cout << call() << '\n';
    } catch (const dcache::Timeout&) {
      std::cout << "too often\n";
    }
  }

  // One call at a time, whatever the arguments.
  auto work = dcache::barrier<dcache::SyncRLock>(cache, "work", [](int n) { return n + 1; });
  std::cout << work(1) << '\n';

  // Kept results, computed anew before they expire, by one caller.
  auto slow = dcache::memoized(cache, "slow", [](int n) { return n * n; }, {.expire = 1min, .beta = 1});
  std::cout << slow(6) << ' ' << slow(6) << '\n';

  dcache::Semaphore downloads{cache, "downloads", 2};
  downloads.acquire(2);
  dcache::Semaphore others{cache, "downloads", 2};
  std::cout << "a third permit: " << std::boolalpha << others.try_acquire() << '\n';
}
