// SPDX-License-Identifier: Apache-2.0
//
// From SQLite's codes to our errors, and the one place that decides what is worth another try.
#pragma once

#include <string>

#include "dcache/store.hpp"

struct sqlite3;

namespace dcache::store::sqlite {

/// Whether a code means "somebody else is at it": retry until the deadline.
[[nodiscard]] bool is_busy(int code) noexcept;

/// Throws the class that fits `code`. `doing` is what failed, as "store a value".
[[noreturn]] void throw_code(int code, sqlite3* handle, const std::string& path, const std::string& doing);

/// Throws Corrupt: rows came in another order than they are kept in. A loop that goes on behind the last row
/// it has seen would otherwise never end.
[[noreturn]] void throw_out_of_order(const std::string& path);

/// Pauses between tries of one call: short random sleeps, so that waiters do not march in step.
class Retry {
 public:
  explicit Retry(Deadline deadline, int tries = 0) : deadline_(deadline), tries_(tries) {}

  /// Sleeps; false, without sleeping, once the deadline has passed.
  bool pause() noexcept;

 private:
  Deadline deadline_;
  int tries_;
};

}  // namespace dcache::store::sqlite
