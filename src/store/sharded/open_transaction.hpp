// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dcache/guard.hpp"
#include "store/sharded/sharded_store.hpp"

namespace dcache::store::sharded {

/// A transaction of one thread in one sharded store.
struct ShardedStore::Open {
  std::uint64_t store = 0;
  Open* outer = nullptr;  ///< of the same thread, in another store
  int depth = 1;
  bool doomed = false;             ///< before there is a home, which then knows it
  Store* home = nullptr;           ///< as deep in its own transaction
  std::size_t shard = 0;           ///< the home's number
  std::string what = {};           ///< what has made it the home, for people
  bool keeps_locks = false;        ///< there is a transaction in the first shard besides
  std::vector<Guard> guards = {};  ///< to be obeyed when there is a home
};

}  // namespace dcache::store::sharded
