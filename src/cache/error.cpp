// SPDX-License-Identifier: Apache-2.0
//
// The destructors are here, so that each class's type information is in the library once.
#include "dcache/error.hpp"

#include "dcache/duration.hpp"

namespace dcache {

Error::~Error() = default;
Timeout::~Timeout() = default;
Busy::~Busy() = default;
Cancelled::~Cancelled() = default;
NotOwner::~NotOwner() = default;
LockLost::~LockLost() = default;
Deadlock::~Deadlock() = default;
Forked::~Forked() = default;
AlreadyExists::~AlreadyExists() = default;
WrongType::~WrongType() = default;
Full::~Full() = default;
ReadOnly::~ReadOnly() = default;
Corrupt::~Corrupt() = default;
NotACache::~NotACache() = default;
InvalidArgument::~InvalidArgument() = default;
Unsupported::~Unsupported() = default;
Misuse::~Misuse() = default;
IoError::~IoError() = default;

namespace detail {

void throw_nan_duration() { throw InvalidArgument("a duration cannot be NaN (not a number)"); }

}  // namespace detail

}  // namespace dcache
