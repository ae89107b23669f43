// SPDX-License-Identifier: Apache-2.0
//
// Locks that are held when the program ends, by objects of static life.
#include <mutex>
#include <string>

#include "dcache/lock.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

struct Statics {
  explicit Statics(const std::string& path) : cache(path) {}

  Cache cache;
  SyncLock lock{cache, "lock"};
  SyncRLock rlock{cache, "rlock"};
  std::unique_lock<SyncRLock> held;
};

}  // namespace

int statics_mode(const Arguments& arguments) {
  static Statics all(arguments.at(0));
  all.lock.lock();
  all.held = std::unique_lock(all.rlock);
  return 0;
}

}  // namespace dcache::test
