// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "dcache/lock.hpp"

namespace dcache::locking {

/// Brings a lock's options into their final form. Throws InvalidArgument, naming the key, the option and what
/// it may be.
void check_options(std::string_view key, LockOptions& options);

}  // namespace dcache::locking
