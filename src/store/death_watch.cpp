// SPDX-License-Identifier: Apache-2.0
#include "store/death_watch.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "platform/byte_lock.hpp"
#include "platform/byte_waiter.hpp"
#include "platform/mutex.hpp"

namespace dcache::store {

/// Shared with the registrations, so that one may go after the watch.
class DeathWatch::Threads {
 public:
  enum class Outcome { watched, over, failed };

  /// With Outcome::over it is for the caller to call `wake`.
  Outcome add(std::shared_ptr<const platform::ForkClosedFd> file, std::uint64_t byte, std::uint64_t number,
              Wake& wake);
  void remove(std::uint64_t byte, std::uint64_t number) noexcept;
  void end_all() noexcept;

  [[nodiscard]] bool forked() const noexcept { return fork_generation_ != platform::fork_generation(); }
  [[nodiscard]] std::uint64_t next_number();

 private:
  /// A session and its thread.
  struct Watched {
    Threads* all = nullptr;
    std::shared_ptr<const platform::ForkClosedFd> file;
    std::uint64_t byte = 0;
    std::map<std::uint64_t, Wake> wakes;
    std::uint64_t idle_since = 0;  ///< a number that grows
    platform::ByteWaiter waiter;   ///< last, so that its thread has all the rest to its end
  };
  /// What is to be destroyed, and its threads joined, after the mutex was let go: a thread may want it.
  using Leaving = std::vector<std::unique_ptr<Watched>>;

  static void ended(void* watched, bool free);
  void ended(Watched& watched, bool free);
  std::unique_ptr<Watched> one_idle_too_many() noexcept DCACHE_REQUIRES(mutex_);

  const std::uint64_t fork_generation_ = platform::fork_generation();
  platform::Mutex mutex_;
  std::map<std::uint64_t, std::unique_ptr<Watched>> by_byte_ DCACHE_GUARDED_BY(mutex_);
  Leaving over_ DCACHE_GUARDED_BY(mutex_);  ///< their threads are at their end
  std::uint64_t last_number_ DCACHE_GUARDED_BY(mutex_) = 0;
};

struct DeathWatch::Registration {
  Registration(std::shared_ptr<Threads> of, std::uint64_t at)
      : threads(std::move(of)), byte(at), number(threads->next_number()) {}
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration() { threads->remove(byte, number); }

  const std::shared_ptr<Threads> threads;
  const std::uint64_t byte;
  const std::uint64_t number;
};

std::uint64_t DeathWatch::Threads::next_number() {
  platform::MutexLock lock(mutex_);
  return ++last_number_;
}

DeathWatch::Threads::Outcome DeathWatch::Threads::add(std::shared_ptr<const platform::ForkClosedFd> file,
                                                      std::uint64_t byte, std::uint64_t number, Wake& wake) {
  Leaving leaving;
  platform::MutexLock lock(mutex_);
  leaving.swap(over_);
  over_.reserve(by_byte_.size() + 1);  // threads that end must not want memory
  const auto known = by_byte_.find(byte);
  if (known != by_byte_.end()) {
    known->second->wakes.emplace(number, std::move(wake));
    return Outcome::watched;
  }
  if (platform::probe_byte(file->get(), byte) == platform::ByteState::free) return Outcome::over;
  auto watched = std::make_unique<Watched>();
  watched->all = this;
  watched->file = std::move(file);
  watched->byte = byte;
  watched->wakes.emplace(number, std::move(wake));
  Watched& inserted = *(by_byte_[byte] = std::move(watched));
  if (inserted.waiter.start(inserted.file->get(), byte, &Threads::ended, &inserted)) return Outcome::watched;
  by_byte_.erase(byte);
  return Outcome::failed;
}

void DeathWatch::Threads::remove(std::uint64_t byte, std::uint64_t number) noexcept {
  if (forked()) return;
  std::unique_ptr<Watched> leaving;
  Wake wake;
  platform::MutexLock lock(mutex_);
  const auto known = by_byte_.find(byte);
  if (known == by_byte_.end()) return;
  Watched& watched = *known->second;
  const auto registered = watched.wakes.find(number);
  if (registered == watched.wakes.end()) return;
  wake.swap(registered->second);
  watched.wakes.erase(registered);
  if (!watched.wakes.empty()) return;
  watched.idle_since = ++last_number_;
  leaving = one_idle_too_many();
}

/// Takes out the thread that has been idle for longest, if there are too many.
std::unique_ptr<DeathWatch::Threads::Watched> DeathWatch::Threads::one_idle_too_many() noexcept {
  std::size_t idle = 0;
  auto oldest = by_byte_.end();
  for (auto at = by_byte_.begin(); at != by_byte_.end(); ++at) {
    if (!at->second->wakes.empty()) continue;
    ++idle;
    if (oldest == by_byte_.end() || at->second->idle_since < oldest->second->idle_since) oldest = at;
  }
  if (idle <= kIdleThreads) return nullptr;
  std::unique_ptr<Watched> taken = std::move(oldest->second);
  by_byte_.erase(oldest);
  return taken;
}

void DeathWatch::Threads::ended(void* watched, bool free) {
  auto& one = *static_cast<Watched*>(watched);
  one.all->ended(one, free);
}

void DeathWatch::Threads::ended(Watched& watched, bool free) {
  std::map<std::uint64_t, Wake> wakes;
  {
    platform::MutexLock lock(mutex_);
    wakes.swap(watched.wakes);
    const auto known = by_byte_.find(watched.byte);
    // Otherwise somebody is about to cancel it.
    if (known != by_byte_.end() && known->second.get() == &watched) {
      over_.push_back(std::move(known->second));
      by_byte_.erase(known);
    }
  }
  if (!free) return;
  for (const auto& [number, wake] : wakes) wake();
}

void DeathWatch::Threads::end_all() noexcept {
  if (forked()) return;
  Leaving leaving;
  std::map<std::uint64_t, std::unique_ptr<Watched>> all;
  platform::MutexLock lock(mutex_);
  leaving.swap(over_);
  all.swap(by_byte_);
}

DeathWatch::DeathWatch() : threads_(std::make_shared<Threads>()) {}

DeathWatch::~DeathWatch() { threads_->end_all(); }

std::shared_ptr<void> DeathWatch::watch(std::shared_ptr<const platform::ForkClosedFd> file,
                                        std::uint64_t byte, Wake wake) {
  if (threads_->forked()) return nullptr;
  auto registration = std::make_shared<Registration>(threads_, byte);
  switch (threads_->add(std::move(file), byte, registration->number, wake)) {
    case Threads::Outcome::watched:
      break;
    case Threads::Outcome::over:
      wake();
      break;
    case Threads::Outcome::failed:
      return nullptr;
  }
  return registration;
}

}  // namespace dcache::store
