// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dcache/store.hpp"

namespace dcache::locking {

/// How one who waits sleeps: until the time comes, the word of its agent is no longer what was seen, or, in a
/// line, nobody is before it.
struct Sleep {
  Deadline until = kNoDeadline;
  std::optional<std::uint32_t> seen = {};
};

/// What one who waits without a thread needs of who leads it.
struct Sleeper {
  /// To be called by any thread when there is a reason to go on.
  std::function<void()> wake;
  /// How much more rarely than a thread of its own it is to look: who leads many looks for all of them.
  std::function<int()> rarely;
  /// Whether it may have this session's death watched, which takes a thread a session, for as long as it
  /// keeps what is returned; null: it may not, and finds out by looking.
  std::function<std::shared_ptr<const void>(const std::string& session)> may_watch;
};

}  // namespace dcache::locking
