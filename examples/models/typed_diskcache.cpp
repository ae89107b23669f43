// SPDX-License-Identifier: Apache-2.0
//
// What people do with typed_diskcache's locks: plain and re-entrant, with a timeout, a lease and tags.
//   typed_diskcache DIRECTORY
#include <iostream>
#include <mutex>

#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  dcache::Cache cache{argv[1]};
  std::cout << std::boolalpha;

  dcache::SyncLock lock{cache, "report", {.timeout = 5s, .lease = 30s, .tags = {"nightly", "eu"}}};
  {
    const std::scoped_lock hold{lock};
    std::cout << lock.key() << " is locked: " << lock.locked() << '\n';
    dcache::SyncLock other{cache, "report", {.timeout = 10ms}};
    try {
      other.lock();
    } catch (const dcache::Timeout&) {
      std::cout << "another one: timeout\n";
    }
    if (other.release() == dcache::Release::not_owner) std::cout << "another one cannot release it\n";
  }
  std::cout << "and now: " << lock.locked() << '\n';

  dcache::SyncRLock rlock{cache, "tree"};
  const std::scoped_lock outer{rlock};
  {
    const std::scoped_lock inner{rlock};
    std::cout << "level " << rlock.holder()->count << '\n';
  }
  std::cout << "level " << rlock.holder()->count << '\n';
  // Values go, locks stay.
  cache.clear();
  std::cout << "still held: " << rlock.owned() << '\n';
}
