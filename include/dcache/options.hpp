// SPDX-License-Identifier: Apache-2.0
//
// Option structs are made for designated initialisers: `{.expire = 10min, .tags = {"users"}}`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "dcache/duration.hpp"
#include "dcache/error.hpp"
#include "dcache/guard.hpp"
#include "dcache/tags.hpp"

namespace dcache {

/// What opening does when there is no cache in the directory yet.
enum class Create {
  never,      ///< NotACache
  directory,  ///< make the cache, and its directory if only that is missing
  parents,    ///< make missing parent directories as well
};

/// What survives a power loss. A crash of the process loses nothing with either.
enum class Durability {
  normal,  ///< the newest commits may be undone by a power loss; the cache stays consistent
  full,    ///< every commit is on the disk when the call returns (one fdatasync more a commit)
};

/// How a cache is opened. Nothing here is stored but `shards`: every process may choose its own.
struct Options {
  /// Longest wait of one call for other writers, then Timeout. Lower it where a late answer is no answer.
  Duration timeout = std::chrono::seconds(60);
  Create create = Create::directory;
  Durability durability = Durability::normal;
  /// Accepts a directory that belongs to another user, or that group or others may write. Whoever can write
  /// the directory can change every value and take every lock. Files are made with mode 0600: other users
  /// than their owner must be given access to each of them.
  bool allow_shared = false;
  /// Accepts network and virtual-machine file systems, where SQLite's locks and shared memory may fail
  /// without a sign. For a machine that has the directory to itself.
  bool allow_network = false;
  /// Bytes of page cache for each connection (one writer, and a reader for each thread that reads at the same
  /// time). More helps a database that is larger than this; an idle cache uses little of it.
  std::uint64_t page_cache = 4ULL << 20;
  /// Bytes of memory for copies of what was read, and of misses. A copy answers as long as nobody has changed
  /// the value, in any process: without a call of the system, in a tenth of the time. Values of more than a
  /// 256th of it are left out. 0 = keep none. Programs that write to the database by other means than dcache
  /// go unnoticed.
  std::uint64_t memory = 64ULL << 20;
  /// Values of more bytes than this go to files of their own, smaller ones into the database. Between 1 KiB
  /// and 1 MiB; what was stored before stays where it is.
  std::uint64_t file_threshold = 32 << 10;
  /// Notices at once when a process is killed that holds a lock or is next in its queue: one thread a watched
  /// process, only while a lock is waited for (a few are kept for the next wait). Without, the waiter finds
  /// out when it looks again, at most 250 ms later.
  bool watch_deaths = true;
  /// Copies the write-ahead log into the database on a thread of its own, which runs from the first time that
  /// it has something to do until the cache is closed (one for each shard), and not in the call of whoever
  /// finds the log long (10 ms, once in a thousand writes). Of use where the slowest call counts. A fork(2)
  /// waits while it works.
  bool background_checkpoints = false;
  /// Of how many databases a new cache is made, 1 to 64: each keeps a part of the keys and has its own turn
  /// of writing, for when many processes write more than one database takes. Synced writes (Durability::full)
  /// gain the most, threefold with 8; where two processors are the limit unsynced ones get slower: measure.
  /// It is stored with the cache, for good: 0 means "as it was made" (1 for a new one), and another number
  /// than that is InvalidArgument.
  ///
  /// What a cache of several shards does otherwise than one of a single database:
  /// - A transaction (`transact`) is of one shard. Keys that change together have the same part in braces (of
  ///   the first "{" with a "}" behind it, if not empty, as in Redis Cluster): "{42}:name" and "{42}:mail"
  ///   are in one shard. So are the items of a queue, whose keys end in "#" and 19 digits; others are spread.
  /// - `set_many` is a transaction a shard. The order of insertion is, between shards, as good as the clock.
  /// - Each shard has an equal part of `Settings::size_limit`, so a value must fit that part, and a shard
  ///   whose keys are more or larger removes some before all of the limit is used.
  /// - All locks are in the first shard. Guarded writes and pulls from queues have a short turn there too.
  /// - Each has its own files and connections: opening takes as many times as long, `page_cache` counts for
  ///   each (`memory` for all together), and a crash of the machine may undo the newest commits of some and
  ///   not of others.
  std::uint32_t shards = 0;
  /// Told of failures that no call can report, as a release that could not be committed yet. Called on the
  /// thread where it happened, outside of all transactions; it must not throw. The library never prints.
  std::function<void(const Error&)> on_error = {};
};

/// What is removed when a cache outgrows its size limit.
enum class Policy {
  none,    ///< nothing: what does not fit is refused with Full
  oldest,  ///< what was inserted first
  /// What was not read since it was last passed over, in order of insertion: SIEVE (Zhang et al., "SIEVE is
  /// Simpler than LRU", NSDI 2024). Keeps what is used, and a scan of many keys does not push it out.
  sieve,
  lru,  ///< what was read or stored longest ago, of a sample of 32
  lfu,  ///< what was read least often, of a sample of 32; old fame fades
};

/// Settings that are stored with the cache and hold for all its users. A change is seen by other processes
/// with their next write.
struct Settings {
  /// Bytes that the cache may take up: pages of the database in use and value files. 0 = no limit. After a
  /// write the cache is within it; what was just stored is never removed for it. Beside it are the log (1
  /// MiB, 16 under load, more where the disk is slower than the writers) and files of hints (`board`, 0.5
  /// MiB; `visits`, a 64th of the limit; `hints`, 21 bytes an entry).
  std::uint64_t size_limit = 0;
  Policy policy = Policy::sieve;
};

/// What goes with a stored value.
struct SetOptions {
  std::optional<Duration> expire = {};  ///< life from now; `forever` or none = no end; <= 0 = already over
  std::optional<Timestamp> expire_at = {};  ///< end of life; `expire` and `expire_at` exclude each other
  Tags tags = {};                           ///< replaces the tags of an older value
  std::optional<Guard> guard = {};          ///< store only while this lock is held: otherwise LockLost
};

/// What goes with a call that changes or removes.
struct WriteOptions {
  std::optional<Guard> guard = {};  ///< do it only while this lock is held: otherwise LockLost
};

/// What `get_or_set` does with a value that is there already.
enum class IfPresent {
  use,   ///< return it
  fail,  ///< throw AlreadyExists, even if another caller has stored it only now
};

/// How `get_or_set` computes and stores.
struct GetOrSetOptions {
  std::optional<Duration> expire = {};  ///< life of the value; `forever` or none = no end
  Tags tags = {};
  /// Longest wait for another caller who computes, then Timeout. 0 = one try, `forever` = without end.
  Duration timeout = std::chrono::seconds(10);
  /// Longest time that a computation may take while others wait: then one of them takes over, and the late
  /// result is refused. None: it ends with its process, or when the factory returns.
  std::optional<Duration> max_hold = {};
  std::uint64_t max_tries = 0;  ///< as LockOptions::max_tries, for the wait
  IfPresent if_present = IfPresent::use;
  /// The value lives longer than `expire` by this time, and is stale then: one caller computes it anew, and
  /// all others are given the stale one, without waiting. Name the same in all calls for a key. (The idea is
  /// RFC 5861's stale-while-revalidate.) Needs `expire`.
  Duration stale_ok = {};
  /// Above 0: a caller now and then computes the value anew before it expires, the more likely the nearer the
  /// end and the longer it takes to compute, so that not all miss it at once; others are given the old one
  /// meanwhile. 1 is best in theory, more is earlier. After Vattani, Chierichetti and Lowenstein, "Optimal
  /// Probabilistic Cache Stampede Prevention" (2015), named XFetch there. Needs `expire`. The time that the
  /// computation took is stored as a value of its own, "took:KEY".
  double beta = 0;

  /// Whether a value that is there is all that is asked for.
  [[nodiscard]] bool plain() const noexcept {
    return if_present == IfPresent::use && stale_ok == Duration() && beta == 0;
  }
};

}  // namespace dcache
