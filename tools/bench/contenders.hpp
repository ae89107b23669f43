// SPDX-License-Identifier: Apache-2.0
//
// The locks that are measured beside each other.
#pragma once

#include <pthread.h>

#include <filesystem>
#include <memory>

namespace bench {

enum class Kind {
  flock,
  mutex,   ///< a robust mutex in shared memory
  sqlite,  ///< a row is added and deleted; whoever is not first tries again at once
  naive,   ///< the same with naps, as python-diskcache's Lock
  dcache,
  fair,  ///< SyncLock with `.fair`
  // For Role::write, where `lock` is all of it.
  upsert,     ///< SQLite with its own busy timeout
  set,        ///< Cache::set
  set4,       ///< the same with 4 shards
  set8,       ///< with 8
  full,       ///< Cache::set with Durability::full
  full4,      ///< the same with 4 shards
  full8,      ///< with 8
  exclusive,  ///< SyncLock, locked and unlocked
  writing,    ///< the same of SyncRWLock
  shared,     ///< the same, shared
  permits,    ///< the same of Semaphore, with enough permits for all
};

[[nodiscard]] const char* name_of(Kind kind) noexcept;

class Contender {
 public:
  Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;
  virtual ~Contender() = default;
  virtual void lock() = 0;
  virtual void unlock() = 0;
};

/// `mutex` is for Kind::mutex: in memory that all share, and made by `make_robust`.
[[nodiscard]] std::unique_ptr<Contender> make_contender(Kind kind, const std::filesystem::path& directory,
                                                        pthread_mutex_t& mutex);

void make_robust(pthread_mutex_t& mutex);

}  // namespace bench
