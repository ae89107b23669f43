// SPDX-License-Identifier: Apache-2.0
//
// What a Cache, its locks, ranges and transactions share. None of them dangles when another goes first.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "dcache/options.hpp"
#include "dcache/store.hpp"
#include "platform/mutex.hpp"

namespace dcache::detail {

class CacheState {
 public:
  CacheState(std::filesystem::path directory, Options options, std::unique_ptr<Store> store);
  CacheState(const CacheState&) = delete;
  CacheState& operator=(const CacheState&) = delete;
  ~CacheState();

  /// The store, after a look that this is still the process that opened it. Throws Forked.
  [[nodiscard]] Store& store() const;

  /// Whether this process is a forked child of the one that opened the cache.
  [[nodiscard]] bool forked() const noexcept;

  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  [[nodiscard]] const Options& options() const noexcept { return options_; }

  /// Keeps work that could not be done, to be tried again by `retry_kept` and, until it is done, by a thread.
  /// It returns whether it is done.
  void keep(std::function<bool(CacheState&)> work);
  void retry_kept() noexcept;

  void report(const Error& error) const noexcept;

 private:
  void retry_until_done() noexcept;
  void stop_retrying() noexcept;
  void forget_retrier() noexcept DCACHE_TSA(no_thread_safety_analysis);

  const std::filesystem::path directory_;
  const Options options_;
  const std::unique_ptr<Store> store_;
  const std::uint64_t fork_generation_;
  platform::Mutex kept_mutex_;
  platform::Condition stop_;
  std::vector<std::function<bool(CacheState&)>> kept_ DCACHE_GUARDED_BY(kept_mutex_);
  std::atomic<bool> anything_kept_{false};
  bool stopping_ DCACHE_GUARDED_BY(kept_mutex_) = false;
  bool retrying_ DCACHE_GUARDED_BY(kept_mutex_) = false;
  /// Runs only while something is kept. A forked child has it not, and forgets it.
  std::unique_ptr<std::thread> retrier_ DCACHE_GUARDED_BY(kept_mutex_);
};

}  // namespace dcache::detail
