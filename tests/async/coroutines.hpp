// SPDX-License-Identifier: Apache-2.0
//
// What tests of async.hpp share: coroutines on an io_context, run by the thread of the test.
#pragma once

#include <asio.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dcache/async.hpp"
#include "dcache/dcache.hpp"
#include "support/check.hpp"

namespace dcache::test {

using asio::use_awaitable;
using Task = asio::awaitable<void>;

/// Coroutines of one io_context. What one of them throws fails the test.
class Coroutines {
 public:
  template <class F>
  void start(F f) {
    asio::co_spawn(io, std::move(f),
                   asio::bind_cancellation_slot(cancel_.emplace_back().slot(), [](std::exception_ptr error) {
                     try {
                       if (error) std::rethrow_exception(error);
                     } catch (const std::exception& what) {
                       FAIL_CHECK(what.what());
                     }
                   }));
  }
  void run() {
    io.restart();
    io.run();
  }
  /// Lets them run for so long, or until that is true.
  template <class F>
  bool run_until(F condition, std::chrono::milliseconds limit = 20s) {
    io.restart();
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition() && std::chrono::steady_clock::now() < end) io.run_for(2ms), io.restart();
    return condition();
  }
  /// Cancels the one that was started last.
  void cancel() { cancel_.back().emit(asio::cancellation_type::terminal); }

 private:
  std::list<asio::cancellation_signal> cancel_;  // longer than the coroutines

 public:
  asio::io_context io;
};

/// Runs one coroutine to its end.
template <class F>
void await(F f) {
  Coroutines all;
  all.start(std::move(f));
  all.run();
}

inline Task pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(use_awaitable);
}

/// What coroutines stand before until it is opened.
class Gate {
 public:
  explicit Gate(Coroutines& all) : timer_(all.io, asio::steady_timer::time_point::max()) {}
  void open() { timer_.expires_at(asio::steady_timer::time_point::min()); }
  Task pass() {
    asio::error_code opened;
    co_await timer_.async_wait(asio::redirect_error(use_awaitable, opened));
  }

 private:
  asio::steady_timer timer_;
};

/// The text of the E that the awaited call ends with; fails the test if it ends otherwise.
template <class E, class T>
asio::awaitable<std::string> thrown_by(asio::awaitable<T> call) {
  try {
    co_await std::move(call);
  } catch (const E& error) {
    co_return error.what();
  }
  FAIL_CHECK("nothing was thrown");
  co_return std::string();
}

/// How many wait in the records of all locks.
inline std::size_t waiting(const Cache& cache) {
  std::size_t count = 0;
  for (const LockInfo& lock : locks(cache)) count += lock.waiters.size();
  return count;
}

}  // namespace dcache::test
