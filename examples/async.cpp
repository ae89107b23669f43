// SPDX-License-Identifier: Apache-2.0
//
// Coroutines that compute one value for all of them, and take turns at a lock: see dcache/async.hpp.
//   async DIRECTORY
#include <asio.hpp>
#include <iostream>

#include "dcache/async.hpp"
#include "dcache/dcache.hpp"

using namespace std::chrono_literals;

asio::awaitable<std::string> render() {
  std::cout << "rendering\n";
  co_await asio::steady_timer(co_await asio::this_coro::executor, 50ms).async_wait(asio::use_awaitable);
  co_return "page";
}

asio::awaitable<void> visit(dcache::Cache& cache) {
  const std::string page = co_await dcache::async_get_or_set(cache, "page", render, {}, asio::use_awaitable);
  dcache::SyncLock lock{cache, "printer"};
  co_await dcache::async_lock(lock, asio::use_awaitable);
  std::cout << "printing the " << page << '\n';
  co_await dcache::async_unlock(lock, asio::use_awaitable);
}

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  dcache::Cache cache{argv[1]};
  asio::io_context io;
  for (int i = 0; i < 3; ++i) asio::co_spawn(io, visit(cache), asio::detached);
  io.run();
}
