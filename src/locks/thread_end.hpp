// SPDX-License-Identifier: Apache-2.0
//
// A thread that ends while it holds a re-entrant lock: nobody else could ever give that back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cache/state.hpp"
#include "locks/record.hpp"
#include "locks/renewal.hpp"

namespace dcache::locking {

/// Notes that the calling thread holds a grant. Should the thread end before `forget_grant`, the next one
/// takes the lock over and is told.
void note_grant(const std::shared_ptr<detail::CacheState>& state, const std::string& key, const Agent& who,
                std::uint64_t fence, const std::shared_ptr<Renewal>& renewal);

void forget_grant(const Agent& who, const std::string& key) noexcept;

}  // namespace dcache::locking
