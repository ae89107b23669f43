// SPDX-License-Identifier: Apache-2.0
//
// What it costs not to wait with a thread: lock + unlock by a coroutine and by callbacks beside the same
// with blocking calls, when nobody else wants the lock; and get_or_set of what is there. In slices that
// alternate, as bench-pairs.
#include <algorithm>
#include <array>
#include <asio.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dcache/async.hpp"
#include "dcache/dcache.hpp"
#include "support.hpp"
#include "table.hpp"

namespace {

constexpr std::string_view kUsage =
    "usage: bench-async [--dir DIR] [--memory] [--runs N] [--slice CALLS] [--slices N] [--cancels N]";

using asio::use_awaitable;

/// Microseconds of each of so many rounds.
using Side = std::function<void(std::size_t rounds)>;

template <class F>
void in_coroutine(asio::io_context& io, F f) {
  io.restart();
  asio::co_spawn(io, std::move(f), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  io.run();
}

/// A chain of callbacks, each of which begins the next call.
struct Chain {
  asio::io_context& io;
  dcache::SyncLock& lock;
  std::size_t left;

  void next() {
    if (left-- == 0) return;
    dcache::async_lock(lock, asio::bind_executor(io, [this](std::exception_ptr) {
                         dcache::async_unlock(
                             lock, asio::bind_executor(io, [this](std::exception_ptr) { next(); }));
                       }));
  }
};

/// Long enough for all to be asleep.
constexpr auto kAsleep = std::chrono::milliseconds(1);

/// How long it takes from cancelling one who waits to its handler, so many times. `wait` begins one.
template <class Wait>
void measure_cancels(asio::io_context& io, std::size_t times, const char* name, const bench::Table& table,
                     Wait wait) {
  std::vector<double> took;
  for (std::size_t i = 0; i < times; ++i) {
    asio::cancellation_signal signal;
    double ended = 0;
    bench::Stopwatch watch;
    wait(asio::bind_cancellation_slot(
        signal.slot(),
        asio::bind_executor(io, [&](std::exception_ptr, auto&&...) { ended = watch.microseconds(); })));
    std::this_thread::sleep_for(kAsleep);
    watch = {};
    signal.emit(asio::cancellation_type::terminal);
    io.restart();
    io.run();
    took.push_back(ended);
  }
  std::sort(took.begin(), took.end());
  table.row({name, bench::fixed(bench::median(took), 1), bench::fixed(took[took.size() * 99 / 100], 1),
             bench::fixed(took.back(), 1)});
}

int run(bench::Arguments& arguments) {
  const auto directory = arguments.text("--dir");
  const bool memory = arguments.flag("--memory");
  const std::size_t runs = arguments.numbers("--runs", {5}).front();
  const std::size_t rounds = arguments.numbers("--slice", {500}).front();
  const std::size_t slices = arguments.numbers("--slices", {20}).front();
  const std::size_t cancels = arguments.numbers("--cancels", {1000}).front();
  arguments.finish(kUsage);

  const bench::Scratch scratch(directory);
  dcache::Cache cache = dcache::Cache::open(memory ? "memory:" : (scratch.path() / "cache").native());
  dcache::SyncLock lock(cache, "report");
  asio::io_context io;
  cache.set("page", "value");
  const auto make = [] { return std::string("value"); };

  const Side blocking = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) lock.lock(), lock.unlock();
  };
  const Side coroutine = [&](std::size_t count) {
    in_coroutine(io, [&]() -> asio::awaitable<void> {
      for (std::size_t i = 0; i < count; ++i) {
        co_await dcache::async_lock(lock, use_awaitable);
        co_await dcache::async_unlock(lock, use_awaitable);
      }
    });
  };
  const Side callbacks = [&](std::size_t count) {
    Chain chain{io, lock, count};
    chain.next();
    io.restart();
    io.run();
  };
  const Side get = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) static_cast<void>(cache.get_or_set("page", make));
  };
  const Side async_get = [&](std::size_t count) {
    in_coroutine(io, [&]() -> asio::awaitable<void> {
      for (std::size_t i = 0; i < count; ++i) {
        static_cast<void>(co_await dcache::async_get_or_set(cache, "page", make, {}, use_awaitable));
      }
    });
  };
  struct Pair {
    const char* name;
    const Side& blocking;
    const Side& async;
  };
  const std::array<Pair, 3> pairs{{{"lock + unlock, coroutine", blocking, coroutine},
                                   {"lock + unlock, callbacks", blocking, callbacks},
                                   {"get_or_set, hit", get, async_get}}};
  const bench::Table table({{"work", -26}, {"blocking us", 12}, {"async us", 9}, {"ratio", 6}});
  for (const Pair& pair : pairs) {
    std::vector<double> blocked;
    std::vector<double> asynchronous;
    std::vector<double> ratios;
    for (std::size_t i = 0; i < runs; ++i) {
      std::array<double, 2> times{};
      for (std::size_t slice = 0; slice < 2 * slices; ++slice) {
        const bool second = (slice + slice / 2) % 2 == 1;  // each is as often the first
        const bench::Stopwatch watch;
        (second ? pair.async : pair.blocking)(rounds);
        times.at(second ? 1 : 0) += watch.microseconds();
      }
      const auto count = static_cast<double>(slices * rounds);
      blocked.push_back(times[0] / count);
      asynchronous.push_back(times[1] / count);
      ratios.push_back(times[1] / times[0]);
    }
    table.row({pair.name, bench::fixed(bench::median(blocked), 2),
               bench::fixed(bench::median(asynchronous), 2), bench::fixed(bench::median(ratios), 2)});
  }
  if (cancels == 0) return 0;
  dcache::SyncLock holder(cache, "held");
  dcache::SyncLock other(cache, "held", {.timeout = dcache::forever});
  dcache::SyncLock computing(cache, "get_or_set:slow");
  holder.lock();
  computing.lock();
  const bench::Table ends(
      {{"cancelled while it waits", -26}, {"p50 us", 8}, {"p99 us", 8}, {"longest us", 10}});
  measure_cancels(io, cancels, "for a lock", ends,
                  [&](auto token) { dcache::async_lock(other, std::move(token)); });
  measure_cancels(io, cancels, "for another's get_or_set", ends, [&](auto token) {
    dcache::async_get_or_set(cache, "slow", make, {.timeout = dcache::forever}, std::move(token));
  });
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
