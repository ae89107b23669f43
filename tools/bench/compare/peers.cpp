// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "compare/peer.hpp"

namespace bench::compare {

namespace {

[[noreturn]] void cannot(const char* what) {
  throw std::logic_error(std::string("a call that this peer does not have: ") + what);
}

/// Measured by diskcache_peer.py, which is started in place of this program.
Kind diskcache_kind() {
  return {.id = "diskcache",
          .title = "diskcache",
          .settings =
              "python-diskcache with its defaults (SQLite, WAL, synchronous=NORMAL) but no size limit; "
              "a tag index where tags are evicted; its own Lock",
          .abilities = {.tags = true, .locks = true},
          .most_entries = 1'000'000};
}

std::vector<Kind> make_kinds() {
  std::vector<Kind> all = dcache_kinds();
  all.push_back(sqlite_kind());
#ifdef COMPARE_LMDB
  all.push_back(lmdb_kind());
#else
  all.push_back(missing_kind("lmdb", "LMDB", "built without liblmdb-dev"));
#endif
#ifdef COMPARE_LEVELDB
  all.push_back(leveldb_kind());
#else
  all.push_back(missing_kind("leveldb", "LevelDB", "built without libleveldb-dev"));
#endif
#ifdef COMPARE_ROCKSDB
  all.push_back(rocksdb_kind());
#else
  all.push_back(missing_kind("rocksdb", "RocksDB", "built without librocksdb-dev"));
#endif
#ifdef COMPARE_REDIS
  all.push_back(redis_kind());
#else
  all.push_back(missing_kind("redis", "Redis", "built without libhiredis-dev"));
#endif
#ifdef COMPARE_MEMCACHED
  all.push_back(memcached_kind());
#else
  all.push_back(missing_kind("memcached", "memcached", "built without libmemcached-dev"));
#endif
  all.push_back(diskcache_kind());
  all.push_back(flock_kind());
  return all;
}

}  // namespace

std::optional<std::string> Peer::get(std::string_view /*key*/) { cannot("get"); }
void Peer::set(std::string_view /*key*/, std::string_view /*value*/) { cannot("set"); }
bool Peer::add(std::string_view /*key*/, std::string_view /*value*/) { cannot("add"); }
bool Peer::erase(std::string_view /*key*/) { cannot("erase"); }
void Peer::set_all(std::span<const Key> /*keys*/, Values& /*values*/) { cannot("transaction"); }
void Peer::fill_tagged(std::span<const Key> /*keys*/, Values& /*values*/, std::string_view /*tag*/) {
  cannot("tags");
}
std::uint64_t Peer::evict(std::string_view /*tag*/) { cannot("tags"); }
void Peer::lock() { cannot("lock"); }
void Peer::unlock() { cannot("lock"); }

Kind missing_kind(std::string id, std::string title, std::string why) {
  return {.id = std::move(id),
          .title = std::move(title),
          .settings = {},
          .abilities = {},
          .missing = std::move(why)};
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = make_kinds();
  return all;
}

const Kind& kind_of(std::string_view id) {
  const auto at =
      std::find_if(kinds().begin(), kinds().end(), [&](const Kind& kind) { return kind.id == id; });
  if (at == kinds().end()) throw std::invalid_argument("unknown peer '" + std::string(id) + "'");
  return *at;
}

}  // namespace bench::compare
