// SPDX-License-Identifier: Apache-2.0
//
// What people do with django-toolkit's locks: a lock as a scope, skipped or refused when it is taken.
//   django_toolkit DIRECTORY
#include <iostream>
#include <mutex>

#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  dcache::Cache cache{argv[1]};

  const int rows = dcache::with_lock(cache, "sync-users", [&] {
    // Somebody else comes meanwhile: skipped, or told.
    const bool ran = dcache::try_with_lock(cache, "sync-users", [] { std::cout << "both at once!\n"; });
    std::cout << "ran: " << std::boolalpha << ran << '\n';
    try {
      dcache::with_lock(cache, "sync-users", [] {}, {.timeout = 0s});
    } catch (const dcache::Timeout&) {
      std::cout << "the lock is active\n";
    }
    return 42;
  });
  std::cout << rows << " rows\n";

  // A scope that looks whether it got the lock.
  dcache::SyncLock lock{cache, "sync-users"};
  if (const std::unique_lock active{lock, std::try_to_lock}) std::cout << "active\n";

  // The lock stays until it expires: at most once an hour; but a failure may be tried again at once.
  const dcache::LockOptions hourly{.lease = 1h, .keep = true};
  for (int i = 0; i < 2; ++i) {
    std::cout << "sent: "
              << dcache::try_with_lock(
                     cache, "digest", [] {}, hourly, dcache::KeepOn::success)
              << '\n';
  }

  // In memory, where nothing should reach a disk: it excludes just the same.
  dcache::Cache memory = dcache::Cache::open("memory:");
  dcache::SyncLock local{memory, "sync-users"};
  dcache::SyncLock other{memory, "sync-users"};
  local.lock();
  std::cout << "in memory, taken by another: " << other.try_lock() << '\n';
}
