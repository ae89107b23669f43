// SPDX-License-Identifier: Apache-2.0
#include "locks/watches.hpp"

#include <algorithm>

namespace dcache::locking {

void Watches::set(Store& store, const Agent& waiter, const std::vector<std::string>& sessions) {
  std::vector<std::pair<std::string, std::shared_ptr<void>>> watched;
  for (const std::string& session : sessions) {
    const auto same = [&](const auto& one) { return one.first == session; };
    if (session == waiter.session || std::any_of(watched.begin(), watched.end(), same)) continue;
    const auto known = std::find_if(watched_.begin(), watched_.end(), same);
    watched.emplace_back(
        session, known != watched_.end() ? std::move(known->second) : store.watch(session, waiter.agent));
  }
  watched_ = std::move(watched);
}

}  // namespace dcache::locking
