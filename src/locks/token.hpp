// SPDX-License-Identifier: Apache-2.0
//
// A text that names a grant, short enough for a shell's variable: the fence says which, and a hash of the
// session, which has over a hundred characters, whose.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "locks/record.hpp"

namespace dcache::locking {

[[nodiscard]] std::string token_of(std::string_view session, std::uint64_t fence);

/// The grant that `token` names, or null.
[[nodiscard]] const Hold* find_token(const LockRecord& record, std::string_view token);

}  // namespace dcache::locking
