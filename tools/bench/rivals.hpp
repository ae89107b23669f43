// SPDX-License-Identifier: Apache-2.0
//
// The two sides of the comparison: dcache, and SQLite used by hand for the same work.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dcache/options.hpp"
#include "workload.hpp"

namespace bench {

class Rival {
 public:
  Rival() = default;
  Rival(const Rival&) = delete;
  Rival& operator=(const Rival&) = delete;
  virtual ~Rival() = default;

  virtual std::optional<std::string> get(std::string_view key) = 0;
  virtual void set(std::string_view key, std::string_view value) = 0;
  virtual bool add(std::string_view key, std::string_view value) = 0;
  virtual bool erase(std::string_view key) = 0;
  virtual std::int64_t incr(std::string_view key) = 0;
  /// All of them in one transaction.
  virtual void set_all(std::span<const std::string_view> keys, Values& values) = 0;
  virtual void erase_all(std::span<const std::string_view> keys) = 0;
  /// Takes and releases one lock, always the same.
  virtual void lock_pair() = 0;
  virtual void rlock_pair() = 0;
  /// Puts a value into an empty queue and takes it off again; by way of a lease that is acked.
  virtual void queue_pair(std::string_view key, std::string_view value) = 0;
  virtual void lease_pair(std::string_view key, std::string_view value) = 0;
};

/// One file a value: written under another name, then renamed; no flush to the disk.
std::unique_ptr<Rival> make_files(const std::filesystem::path& directory);

/// The yardstick: a two-column table without rowid, WAL, synchronous=NORMAL, and SQLite's own defaults.
/// Everything is one autocommitted statement; a lock is a row of 128 bytes, inserted and deleted.
std::unique_ptr<Rival> make_raw(const std::filesystem::path& directory);

std::unique_ptr<Rival> make_dcache(const std::filesystem::path& directory, const dcache::Options& options);

}  // namespace bench
