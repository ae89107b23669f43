// SPDX-License-Identifier: Apache-2.0
//
// Mutual exclusion as a user would need it: read, think, write, all in a plain file.
#include <fstream>
#include <thread>

#include "dcache/lock.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

/// Tells "NUMBER FENCE" for each number that it counted.
void count(LockHandle& lock, const std::string& file, int times) {
  std::vector<std::string> counted;
  for (int i = 0; i < times; ++i) {
    lock.lock();
    std::int64_t number = 0;
    std::ifstream(file) >> number;
    if (i % 16 == 0) std::this_thread::yield();
    std::ofstream(file, std::ios::trunc) << number + 1 << std::flush;
    counted.push_back(std::to_string(number + 1) + ' ' + std::to_string(lock.fence()));
    lock.unlock();
  }
  for (const std::string& line : counted) tell(line);
}

}  // namespace

int count_mode(const Arguments& arguments) {
  Cache cache(arguments.at(0));
  const LockOptions options{.timeout = std::chrono::minutes(5)};
  const int times = std::stoi(arguments.at(4));
  if (arguments.at(2) == "rlock") {
    SyncRLock lock(cache, arguments.at(1), options);
    count(lock, arguments.at(3), times);
  } else {
    SyncLock lock(cache, arguments.at(1), options);
    count(lock, arguments.at(3), times);
  }
  return 0;
}

}  // namespace dcache::test
