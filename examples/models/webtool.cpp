// SPDX-License-Identifier: Apache-2.0
//
// What people do with webtool's locks: with or without waiting, with an end, with a backoff.
//   webtool DIRECTORY
#include <iostream>

#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  dcache::Cache cache{argv[1]};
  std::cout << std::boolalpha;

  dcache::SyncLock lock{cache, "job", {.lease = 10s, .backoff = {.base = 100us, .cap = 5ms}}};
  std::cout << "at once: " << lock.try_lock() << '\n';
  dcache::SyncLock other{cache, "job"};
  std::cout << "another one, at once: " << other.try_lock() << ", within 20 ms: " << other.try_lock_for(20ms)
            << '\n';
  lock.unlock();
  // Each time it is the same key.
  for (int i = 0; i < 2; ++i) {
    std::cout << "again: " << lock.try_lock() << '\n';
    lock.unlock();
  }
}
