// SPDX-License-Identifier: Apache-2.0
//
// What is compared: each store or lock behind one interface, in a file of its own. All of them keep what they
// have answered when the process is killed, and flush nothing to the disk on each write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compare/material.hpp"

namespace bench::compare {

/// One process's use of a store. What a peer cannot do throws std::logic_error.
class Peer {
 public:
  Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  virtual ~Peer() = default;

  /// The version that runs, which is not always the one that was built against.
  virtual std::string version() = 0;

  virtual std::optional<std::string> get(std::string_view key);
  virtual void set(std::string_view key, std::string_view value);
  /// Stores unless there is one; whether it did.
  virtual bool add(std::string_view key, std::string_view value);
  /// Whether there was one; always true of those that do not tell.
  virtual bool erase(std::string_view key);
  /// All in one transaction.
  virtual void set_all(std::span<const Key> keys, Values& values);

  /// Stores many, however it is fastest. Not measured.
  virtual void fill(std::span<const Key> keys, Values& values) { set_all(keys, values); }
  /// Waits for work in the background, so that it does not disturb who is measured next. Not measured.
  virtual void settle() {}

  /// Stores all of them under one tag.
  virtual void fill_tagged(std::span<const Key> keys, Values& values, std::string_view tag);
  /// Removes what has the tag; how many there were.
  virtual std::uint64_t evict(std::string_view tag);

  /// One lock, always the same, for as long as it takes.
  virtual void lock();
  virtual void unlock();
};

/// What a peer can do.
struct Abilities {
  bool values = true;
  bool processes = true;  ///< several at once
  bool batches = true;    ///< several writes as one
  bool tags = false;
  bool locks = false;
};

/// The server that a peer needs beside it.
enum class Server { none, redis, memcached };

struct Kind {
  std::string id;        ///< for --peers and the name of its directory
  std::string title;     ///< what people call it
  std::string settings;  ///< how it is set up, and what was done where it has no such call
  Abilities abilities;
  Server server = Server::none;
  /// The most entries that its share of a long run has time for.
  std::uint64_t most_entries = 10'000'000;
  std::string missing = {};  ///< why it cannot be measured
  /// Opens or makes the store in a directory. None: it is not a part of this program.
  std::function<std::unique_ptr<Peer>(const std::filesystem::path&)> open = {};
};

/// In the order of columns. The first that is measured is what the others are compared with.
[[nodiscard]] const std::vector<Kind>& kinds();
[[nodiscard]] const Kind& kind_of(std::string_view id);

/// One that nobody can measure here, and why.
[[nodiscard]] Kind missing_kind(std::string id, std::string title, std::string why);

// One a file; peers.cpp knows which are built.
[[nodiscard]] std::vector<Kind> dcache_kinds();
[[nodiscard]] Kind sqlite_kind();
[[nodiscard]] Kind lmdb_kind();
[[nodiscard]] Kind leveldb_kind();
[[nodiscard]] Kind rocksdb_kind();
[[nodiscard]] Kind redis_kind();
[[nodiscard]] Kind memcached_kind();
[[nodiscard]] Kind flock_kind();

}  // namespace bench::compare
