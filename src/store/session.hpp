// SPDX-License-Identifier: Apache-2.0
//
// A session: one process's use of one cache directory, however many Cache objects it opens there. While the
// process lives, the kernel holds a lock for it on one byte of the directory's `life` file; that is how
// others know. The file is never mapped (a mapping would keep the lock alive in a forked child) and never
// unlinked.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "dcache/liveness.hpp"
#include "platform/directory.hpp"
#include "platform/fork.hpp"
#include "platform/mutex.hpp"
#include "store/death_watch.hpp"

namespace dcache::store {

class Session {
 public:
  /// The session of this process in `directory`; the same one for every caller until all have let go of it.
  static std::shared_ptr<Session> of(const platform::Directory& directory);

  explicit Session(platform::Directory directory) : directory_(std::move(directory)) {}

  /// Text that names the session in records, unique for ever. The first call takes the proof of life.
  const std::string& token() DCACHE_TSA(no_thread_safety_analysis);

  /// The descriptor that holds the proof of life. Who has a copy of it keeps the session alive.
  int proof();

  /// Whether the session that `token` names still runs. Our own is alive; in doubt nothing is dead.
  Liveness alive(std::string_view token);

  /// Name of the program whose session it is; empty unless it certainly still runs, and can be seen from
  /// here.
  static std::string command(std::string_view token);

  /// Calls `wake` once when another session dies, or in this call if it is dead, unless the returned object
  /// has gone before. Null where the kernel does not tell: our own session, or one with a proof of life
  /// elsewhere.
  [[nodiscard]] std::shared_ptr<void> watch(std::string_view token, DeathWatch::Wake wake);

 private:
  void open_life_file() DCACHE_REQUIRES(mutex_);
  bool try_open_life_file() DCACHE_REQUIRES(mutex_);
  void start() DCACHE_REQUIRES(mutex_);

  const platform::Directory directory_;
  platform::Mutex mutex_;
  // The lock is taken through one descriptor and probed through another: one's own never conflicts.
  platform::ForkClosedFd held_;
  const std::shared_ptr<platform::ForkClosedFd> probe_ = std::make_shared<platform::ForkClosedFd>();
  platform::FileId life_id_;
  bool opened_ = false;
  bool started_ = false;
  std::string token_;
  DeathWatch deaths_;
};

}  // namespace dcache::store
