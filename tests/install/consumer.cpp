// SPDX-License-Identifier: Apache-2.0
#include <dcache/dcache.hpp>

#include <iostream>
#include <mutex>

int main(int, char** argv) {
  dcache::Cache cache{argv[1]};
  dcache::SyncLock lock{cache, "lock"};
  const std::scoped_lock hold{lock};
  cache.set("k", "v", {.expire = std::chrono::minutes(10), .tags = {"a", "b"}});
  std::cout << cache.get("k").value_or("nothing") << ' ' << DCACHE_VERSION << '\n';
}
