// SPDX-License-Identifier: Apache-2.0
#include "locks/thread_end.hpp"

#include <algorithm>
#include <exception>
#include <vector>

#include "locks/access.hpp"

namespace dcache::locking {

namespace {

struct Grant {
  std::weak_ptr<detail::CacheState> state;
  std::string key;
  Agent who;
  std::uint64_t fence = 0;
  std::weak_ptr<Renewal> renewal;
};

/// Locks of static life, and those of a thread that were made before its first grant, go after its list.
thread_local bool t_over = false;

class Grants {
 public:
  Grants() = default;
  Grants(const Grants&) = delete;
  Grants& operator=(const Grants&) = delete;
  ~Grants() {
    t_over = true;
    for (const Grant& grant : grants_) give_up(grant);
  }

  void add(Grant grant) {
    // Another Cache object may have gone by then, so one entry for each.
    std::erase_if(grants_, [&](const Grant& one) {
      return one.who == grant.who && one.key == grant.key &&
             (one.fence != grant.fence || one.state.expired() ||
              (!one.state.owner_before(grant.state) && !grant.state.owner_before(one.state)));
    });
    grants_.push_back(std::move(grant));
  }

  void remove(const Agent& who, const std::string& key) noexcept {
    std::erase_if(grants_, [&](const Grant& one) { return one.who == who && one.key == key; });
  }

 private:
  static void give_up(const Grant& grant) noexcept {
    const std::shared_ptr<detail::CacheState> state = grant.state.lock();
    if (state == nullptr || state->forked()) return;
    const std::shared_ptr<Renewal> renewal = grant.renewal.lock();
    const PausedRenewal paused(renewal);
    if (renewal != nullptr) renewal->end();
    try {
      do_or_keep(*state, duty(grant.key, [who = grant.who, fence = grant.fence](
                                             const std::optional<LockRecord>& old, const World& world) {
        return abandon(old, who, fence, world);
      }));
    } catch (const std::exception&) {
      // Out of memory: then the handle gives it back when it goes.
    }
  }

  std::vector<Grant> grants_;
};

thread_local Grants t_grants;

}  // namespace

void note_grant(const std::shared_ptr<detail::CacheState>& state, const std::string& key, const Agent& who,
                std::uint64_t fence, const std::shared_ptr<Renewal>& renewal) {
  if (t_over) return;  // then the handle gives it back when it goes
  t_grants.add({.state = state, .key = key, .who = who, .fence = fence, .renewal = renewal});
}

void forget_grant(const Agent& who, const std::string& key) noexcept {
  if (!t_over) t_grants.remove(who, key);
}

}  // namespace dcache::locking
