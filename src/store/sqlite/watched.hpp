// SPDX-License-Identifier: Apache-2.0
//
// Long statements that report how far they are and can be ended.
#pragma once

#include <sqlite3.h>

#include <exception>
#include <functional>
#include <utility>

#include "dcache/error.hpp"
#include "store/sqlite/connection.hpp"

namespace dcache::store::sqlite {

/// Calls `look` now and then while a statement runs on the connection. What it throws ends the statement, and
/// comes out of `run`.
class Watched {
 public:
  Watched(Connection& connection, std::function<void()> look)
      : connection_(connection), look_(std::move(look)) {
    constexpr int kStepsBetween = 20'000;
    sqlite3_progress_handler(
        connection.handle(), kStepsBetween,
        [](void* self) -> int { return static_cast<Watched*>(self)->goes_on() ? 0 : 1; }, this);
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched() { sqlite3_progress_handler(connection_.handle(), 0, nullptr, nullptr); }

  template <class F>
  void run(F f) {
    try {
      f();
    } catch (const Error&) {
      if (thrown_ != nullptr) std::rethrow_exception(thrown_);
      throw;
    }
  }

 private:
  bool goes_on() noexcept {
    try {
      look_();
      return true;
    } catch (...) {
      thrown_ = std::current_exception();
      return false;
    }
  }

  Connection& connection_;
  const std::function<void()> look_;
  std::exception_ptr thrown_;
};

}  // namespace dcache::store::sqlite
