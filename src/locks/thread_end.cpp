// SPDX-License-Identifier: Apache-2.0
#include "locks/thread_end.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <vector>

#include "locks/access.hpp"

namespace dcache::locking {

namespace {

/// How long the end of a thread may be held up.
constexpr auto kPatience = std::chrono::milliseconds(100);

struct Grant {
  std::weak_ptr<detail::CacheState> state;
  std::string key;
  Agent who;
  std::uint64_t fence = 0;
};

class Grants {
 public:
  Grants() = default;
  Grants(const Grants&) = delete;
  Grants& operator=(const Grants&) = delete;
  ~Grants();

  void add(Grant grant) {
    remove(grant.who, grant.key);
    grants_.push_back(std::move(grant));
  }

  void remove(const Agent& who, const std::string& key) noexcept {
    std::erase_if(grants_, [&](const Grant& one) { return one.who == who && one.key == key; });
  }

 private:
  static void give_up(const Grant& grant) noexcept {
    const std::shared_ptr<detail::CacheState> state = grant.state.lock();
    if (state == nullptr || state->forked()) return;
    const auto work = [key = grant.key, who = grant.who, fence = grant.fence](detail::CacheState& cache) {
      try {
        Store& store = store_for(cache, key);
        static_cast<void>(change_record(
            store, cache, key,
            [&](const std::optional<LockRecord>& old, std::uint64_t) {
              return abandon(old, who, fence, world_of(store));
            },
            deadline_after(kPatience)));
        return true;
      } catch (const std::exception&) {
        return cache.forked();
      }
    };
    try {
      if (!work(*state)) state->keep(work);
    } catch (const std::exception&) {
      // Out of memory: then the handle gives it back when it goes.
    }
  }

  std::vector<Grant> grants_;
};

thread_local Grants t_grants;

/// Whether they are gone: a lock may still be taken and released by the destructors of static objects. It has
/// no destructor of its own, so it can be asked to the end.
thread_local bool t_ended = false;

Grants::~Grants() {
  for (const Grant& grant : grants_) give_up(grant);
  t_ended = true;
}

}  // namespace

void note_grant(const std::shared_ptr<detail::CacheState>& state, const std::string& key, const Agent& who,
                std::uint64_t fence) {
  if (t_ended) return;
  t_grants.add({.state = state, .key = key, .who = who, .fence = fence});
}

void forget_grant(const Agent& who, const std::string& key) noexcept {
  if (!t_ended) t_grants.remove(who, key);
}

}  // namespace dcache::locking
