// SPDX-License-Identifier: Apache-2.0
//
// Cache: values with expiry and tags in one directory, shared by many processes, without a server.
//
//   dcache::Cache cache{"/var/cache/app"};
//   cache.set("user:42", bytes, {.expire = 10min, .tags = {"users", "eu"}});
//   if (auto value = cache.get("user:42")) use(*value);
//
// Every call is atomic across threads and processes. A Cache may be used by any number of threads at once; it
// may not be used in a forked child (Forked), which opens the directory again instead. A call waits for other
// writers at most `Options::timeout`, then throws Timeout.
//
// Keys are any 0 to 4096 bytes, compared byte by byte; values at most 1 GiB. Time of expiry is wall-clock
// time, so that it survives a reboot: a value is live until its time of expiry has come.
//
// Any call may throw: Timeout (other writers), Full (disk), ReadOnly, Corrupt (damaged data), IoError,
// Forked, and InvalidArgument for what breaks the limits above. What it throws besides is said at the call.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dcache/bytes.hpp"
#include "dcache/check.hpp"
#include "dcache/duration.hpp"
#include "dcache/entry.hpp"
#include "dcache/export.hpp"
#include "dcache/options.hpp"
#include "dcache/tags.hpp"
#include "dcache/upkeep.hpp"

namespace dcache {

class Entries;
class Store;
class Transaction;

namespace detail {
class CacheState;

template <class Body>
decltype(auto) run(Body&& body, Transaction& transaction) {
  if constexpr (std::invocable<Body, Transaction&>) {
    return std::invoke(std::forward<Body>(body), transaction);
  } else {
    return std::invoke(std::forward<Body>(body));
  }
}
}  // namespace detail

/// What `Cache::transact` runs: a callable for a Transaction&, or one without arguments that uses the
/// Cache itself.
template <class Body>
concept TransactionBody = std::invocable<Body, Transaction&> || std::invocable<Body>;

inline constexpr std::size_t kMaxKeyBytes = 4096;
inline constexpr std::size_t kMaxValueBytes = std::size_t{1} << 30;
inline constexpr std::size_t kMaxTags = 64;
inline constexpr std::size_t kMaxTagBytes = 256;
inline constexpr std::uint32_t kMaxShards = 64;

/// What `Cache::stats` answers. Numbers marked "exact" were counted for the call; the others are hints.
struct Stats {
  std::uint64_t entries = 0;         ///< exact: live values
  std::uint64_t expired = 0;         ///< exact: values whose time is over and that no sweep has removed yet
  std::uint64_t value_bytes = 0;     ///< exact: bytes of all stored values, expired ones included
  std::uint64_t tags = 0;            ///< exact: different tags in use
  std::uint64_t locks = 0;           ///< exact: lock records
  std::uint64_t database_bytes = 0;  ///< size of the database file
  std::uint64_t wal_bytes = 0;       ///< size of the write-ahead log
  std::uint64_t free_bytes = 0;      ///< bytes of the database file that are free for what is stored next
  std::uint64_t hits = 0;            ///< hint: gets answered, by this process since it opened the cache
  std::uint64_t misses = 0;          ///< hint: gets that found nothing, likewise
  std::uint64_t checkpoints = 0;     ///< hint: checkpoints run by this process
  std::optional<Timestamp> oldest;   ///< exact: when the live value was stored that is oldest
  std::optional<Timestamp> newest;   ///< exact: likewise; later than now if the clock was set back
  // Hints: of the locks of all processes, since the board was made.
  std::uint64_t lock_grants = 0;
  std::uint64_t lock_contended = 0;  ///< grants that had to be waited for
  std::uint64_t lock_takeovers = 0;  ///< grants over a holder that died or whose lease ended
  std::uint64_t lock_lost = 0;       ///< grants that their holder found gone
  Duration lock_longest_wait;        ///< for a grant
  Duration lock_longest_hold;
  std::string engine;  ///< name and version of the store engine
  bool board = false;  ///< whether waiters are woken through shared memory; if not they look again and again
  /// Whether the engine is an SQLite that can corrupt a database when a checkpoint races a writer (before
  /// 3.51.3, but for 3.44.6 and 3.50.7). Those of dcache are guarded against it; other programs must not
  /// checkpoint the database.
  bool wal_reset_bug = false;
  std::uint64_t shards = 1;  ///< see Options::shards; the sizes above are of all of them together
};

class DCACHE_EXPORT Cache {
 public:
  /// Opens the cache in `directory`, making both as `options.create` says (mode 0700, files 0600). Opening an
  /// existing cache writes nothing.
  /// Throws NotACache (a foreign, damaged or newer database: it is left untouched), InvalidArgument (not a
  /// directory; an engine's address such as "memory:": see `open`), Unsupported (symbolic link, foreign owner
  /// or mode, network file system: see `Options`), IoError.
  explicit Cache(const std::filesystem::path& directory, Options options = {});

  /// As the constructor, from an address: a directory, or "memory:" for a cache that lives in this object
  /// alone, with the same promises inside one process (for tests, or where nothing should reach a disk).
  /// Throws Unsupported for an engine that this build does not have.
  [[nodiscard]] static Cache open(std::string_view address, Options options = {});

  Cache(Cache&&) noexcept;
  Cache& operator=(Cache&&) noexcept;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache();

  /// Stores `value` under `key`, replacing value, expiry and tags of an older one.
  void set(ByteView key, ByteView value, const SetOptions& options = {});

  /// Stores `value` if `key` is absent or expired, and says whether it did. Of several callers at once in any
  /// processes exactly one gets true.
  [[nodiscard]] bool add(ByteView key, ByteView value, const SetOptions& options = {});

  /// The value, or nothing when `key` is absent or expired.
  /// Throws Corrupt if the stored bytes do not match their checksum; set or erase mends that.
  [[nodiscard]] std::optional<std::string> get(ByteView key) const;

  /// As `get`, with expiry, tags, time of storing, size and format.
  [[nodiscard]] std::optional<Entry> entry(ByteView key) const;

  /// Whether `key` is there and not expired.
  [[nodiscard]] bool contains(ByteView key) const;

  /// Removes `key` and says whether it was there and not expired. (C++'s word for delete.)
  bool erase(ByteView key, const WriteOptions& options = {});

  /// Removes `key` and returns its value, in one step; of several callers exactly one gets it.
  [[nodiscard]] std::optional<std::string> pop(ByteView key, const WriteOptions& options = {});

  /// Stores `desired` if the value of `key` is `expected`, byte by byte, and says whether it did (compare and
  /// set). Expiry and tags become those of `options`.
  [[nodiscard]] bool replace(ByteView key, ByteView expected, ByteView desired,
                             const SetOptions& options = {});

  /// The values of several keys, in their order; a missing one is an empty optional. Each is read by itself:
  /// values that are stored meanwhile may be seen for some keys and not for others (use `transact`
  /// otherwise).
  [[nodiscard]] std::vector<std::optional<std::string>> get_many(std::span<const ByteView> keys) const;
  [[nodiscard]] std::vector<std::optional<std::string>> get_many(std::initializer_list<ByteView> keys) const {
    return get_many(std::span(keys.begin(), keys.size()));
  }

  /// Stores several values under the same options in one transaction: all of them or none. In a cache of
  /// several shards it is one transaction for each of them that has some of the keys, in order of shards:
  /// what fails or crashes in between leaves some of them stored whole and the others not at all.
  void set_many(std::span<const std::pair<ByteView, ByteView>> items, const SetOptions& options = {});
  void set_many(std::initializer_list<std::pair<ByteView, ByteView>> items, const SetOptions& options = {}) {
    set_many(std::span(items.begin(), items.size()), options);
  }

  /// Stores bytes as they come: `source` fills the span from its start and returns how many bytes it wrote; 0
  /// is the end. What `source` throws ends the call, and nothing is stored. Nothing is locked while it runs.
  void set_from(ByteView key, const std::function<std::size_t(std::span<std::byte>)>& source,
                const SetOptions& options = {});
  /// As above, what is left to read from a file descriptor.
  void set_from(ByteView key, int descriptor, const SetOptions& options = {});

  /// Hands the value to `sink` in parts, without holding all of it; says whether there was one. A large value
  /// is verified as it goes: if it is damaged, Corrupt is thrown after `sink` has seen bytes of it.
  bool get_to(ByteView key, const std::function<void(std::span<const std::byte>)>& sink) const;
  /// As above, into a file descriptor.
  bool get_to(ByteView key, int descriptor) const;

  /// The value, or what `factory()` returns, which is then stored: one caller computes, in all processes
  /// together, the others wait for it. See dcache/get_or_set.hpp, where it is defined: include that or
  /// dcache.hpp to use it.
  template <class Factory>
  [[nodiscard]] auto get_or_set(ByteView key, Factory&& factory, const GetOrSetOptions& options = {});

  // These three are defined in dcache/json.hpp: include it to use them.

  /// Stores a JSON document as text of format json.
  void set_json(ByteView key, const nlohmann::json& json, const SetOptions& options = {});
  /// The stored value as a JSON document; text is parsed. Throws WrongType if it is no JSON.
  [[nodiscard]] std::optional<nlohmann::json> get_json(ByteView key) const;
  /// The stored JSON document as a T, by nlohmann's conversions (from_json of T's namespace). Throws
  /// WrongType if it is none.
  template <class T>
  [[nodiscard]] std::optional<T> get_as(ByteView key) const;

  /// Gives `key` a new expiry (`forever`: none) and says whether it was there and not expired. The value and
  /// its tags stay.
  bool touch(ByteView key, Duration expire, const WriteOptions& options = {});

  /// Adds `delta` to the integer stored under `key` and returns the sum, keeping expiry and tags. A missing
  /// or expired key is stored with `options` and becomes initial + delta. Throws WrongType if the value is
  /// not a decimal integer of 64 bits, InvalidArgument if the sum does not fit 64 bits; the value stays as it
  /// was.
  std::int64_t incr(ByteView key, std::int64_t delta = 1, std::int64_t initial = 0,
                    const SetOptions& options = {});

  /// Runs `body(Transaction&)`, or `body()`, once, in one atomic step: all that it changes is seen by others
  /// at once when it returns, or not at all if it throws. Calls on this Cache and thread inside the body join
  /// the transaction, `transact` included. Other writers wait meanwhile: keep it short. Returns what the body
  /// returns. Throws Misuse at the end if a part failed and the body swallowed the error.
  /// With `options.guard` it begins with a look that the lock is held, and stays true to the end.
  /// In a cache of several shards all keys of one transaction must be in one shard: the first call with a key
  /// decides in which, and one with a key of another, or on all values, throws Unsupported and undoes the
  /// transaction. Keys with the same part in braces are together: see Options::shards.
  template <TransactionBody Body>
  decltype(auto) transact(Body&& body, const WriteOptions& options = {});

  /// The live entries, by default oldest insertion first (an overwritten value keeps its place). The result
  /// is a query: each `begin()` looks anew, reads in pages, and holds nothing open in between, so that it
  /// disturbs no writer. It is no snapshot: entries stored or removed during the walk may or may not be seen;
  /// what stays is seen, and none is seen twice but one that was removed and stored again meanwhile.
  /// In a cache of several shards the insertions in different shards are ordered by the clock.
  [[nodiscard]] Entries entries(EntryFilter filter = {}) const;

  /// Removes the values that have any (or all) of `tags` and were stored before the call; in small steps, so
  /// that other writers need not wait. Returns how many. No tags: InvalidArgument. `on_progress` is told
  /// between steps how many went, of an unknown total; if it throws, the rest stays.
  std::uint64_t evict(const Tags& tags, Match match = Match::any, const OnProgress& on_progress = {});

  /// Removes the values whose time is over, in small steps. Returns how many. Writes remove some now and then
  /// by themselves.
  std::uint64_t expire();

  /// Removes all values stored before the call, in small steps. Locks stay. Returns how many.
  /// `on_progress` is as for `evict`.
  std::uint64_t clear(const OnProgress& on_progress = {});

  /// Removes expired values, then others by the cache's policy until it is within its size limit. Writes do
  /// this by themselves; call it after lowering the limit. Returns how many.
  std::uint64_t cull();

  /// Number of live values, counted.
  [[nodiscard]] std::uint64_t size() const;

  /// Bytes that the cache takes up, as `Settings::size_limit` counts them.
  [[nodiscard]] std::uint64_t bytes() const;

  [[nodiscard]] Settings settings() const;
  /// Changes the settings for all users, atomically: `cache.configure([](Settings& s) { s.size_limit = n;
  /// })`.
  void configure(const std::function<void(Settings&)>& change);

  [[nodiscard]] Stats stats() const;

  /// Looks at all that is stored, beside its users: the database, every value and its checksum, tags, and
  /// value files both ways. With `fix` it mends what it finds, in small steps; what is damaged is moved below
  /// DIR/damaged for people to look at, and is a miss from then on. Damage is reported, not thrown. Throws
  /// Misuse inside `transact`.
  CheckReport check(const CheckOptions& options = {});

  /// Writes all values, as they are at one moment, to a new file of mode 0600, beside the cache's users:
  /// other writers do not wait for it. Locks are left out, as a copy of one would mean nothing. The file is
  /// complete and verified when it gets its name; until then it is a hidden one in the same directory, which
  /// goes if the call fails. Throws AlreadyExists (see BackupOptions), Corrupt if a stored value is damaged,
  /// ReadOnly, Full and IoError for `file`, Misuse inside `transact`, Unsupported for a cache in memory.
  /// Of a cache of several shards each is as it was at one moment, one after the other; it needs room for a
  /// second copy for a while.
  void backup(const std::filesystem::path& file, const BackupOptions& options = {}) const;

  /// Makes a cache in `directory` from a file that `backup` wrote, and opens it: one of as many shards. The
  /// directory may exist but must hold no cache. The new cache is one of its own: locks of the old one, and
  /// guards made from them, mean nothing to it, and its fences are above all that the old one had handed out
  /// when it was backed up. Throws NotACache (`file` is no backup, or one of a newer version), Corrupt (it is
  /// damaged), AlreadyExists (there is a cache in `directory`, or what is left of one), and what opening
  /// throws. Then nothing is made.
  [[nodiscard]] static Cache restore(const std::filesystem::path& file,
                                     const std::filesystem::path& directory, Options options = {},
                                     const OnProgress& on_progress = {});

  /// Removes expired values, then gives the space that removed values have left in the database back to the
  /// file system. Other writers wait meanwhile (about a second for 100 MiB), reads go on. For as long as it
  /// runs it needs as much room as the database has pages in use, twice: beside the cache, and where SQLite
  /// keeps temporary files (SQLITE_TMPDIR, TMPDIR, /var/tmp).
  /// Throws Full if there is not as much, Misuse inside `transact`; then the cache is as it was.
  CompactReport compact(const CompactOptions& options = {});

  /// Of how many shards the cache was made: see Options::shards.
  [[nodiscard]] std::size_t shards() const;

  /// The cache's real directory, absolute and without symbolic links.
  [[nodiscard]] const std::filesystem::path& directory() const;

  /// For the library itself: the state that locks, ranges and transactions share.
  [[nodiscard]] const std::shared_ptr<detail::CacheState>& state() const noexcept { return state_; }
  /// For what is built on a cache, as queues are: another object for the same open cache.
  [[nodiscard]] Cache share() const { return Cache(state_); }

 private:
  explicit Cache(std::shared_ptr<detail::CacheState> state);

  std::shared_ptr<detail::CacheState> state_;
};

/// The inside of `Cache::transact`: the same calls, which see their own changes. It lives as long as the
/// body.
class DCACHE_EXPORT Transaction {
 public:
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void set(ByteView key, ByteView value, const SetOptions& options = {}) { cache_.set(key, value, options); }
  [[nodiscard]] bool add(ByteView key, ByteView value, const SetOptions& options = {}) {
    return cache_.add(key, value, options);
  }
  [[nodiscard]] std::optional<std::string> get(ByteView key) const { return cache_.get(key); }
  [[nodiscard]] std::optional<Entry> entry(ByteView key) const { return cache_.entry(key); }
  [[nodiscard]] bool contains(ByteView key) const { return cache_.contains(key); }
  bool erase(ByteView key) { return cache_.erase(key); }
  bool touch(ByteView key, Duration expire) { return cache_.touch(key, expire); }
  [[nodiscard]] std::optional<std::string> pop(ByteView key) { return cache_.pop(key); }
  [[nodiscard]] bool replace(ByteView key, ByteView expected, ByteView desired,
                             const SetOptions& options = {}) {
    return cache_.replace(key, expected, desired, options);
  }
  std::int64_t incr(ByteView key, std::int64_t delta = 1, std::int64_t initial = 0,
                    const SetOptions& options = {}) {
    return cache_.incr(key, delta, initial, options);
  }

 private:
  friend class Cache;
  Transaction(Cache& cache, const WriteOptions& options);
  ~Transaction();
  void commit();

  Cache& cache_;
  bool open_ = true;
};

/// A query over the entries of a cache: see `Cache::entries`. It keeps the cache's state alive.
class DCACHE_EXPORT Entries {
 public:
  class Iterator;

  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class Cache;
  Entries(std::shared_ptr<detail::CacheState> state, EntryFilter filter);

  std::shared_ptr<detail::CacheState> state_;
  EntryFilter filter_;
};

/// One walk over a query. Copies share the walk, as with every input iterator.
class DCACHE_EXPORT Entries::Iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using iterator_category = std::input_iterator_tag;
  using value_type = Entry;
  using difference_type = std::ptrdiff_t;
  using pointer = const Entry*;
  using reference = const Entry&;

  const Entry& operator*() const;
  const Entry* operator->() const { return &**this; }
  Iterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.done(); }
  // NOLINTNEXTLINE(readability-redundant-declaration): clang 14 does not rewrite the operator above in
  // range-for
  friend bool operator!=(const Iterator& it, std::default_sentinel_t) { return !it.done(); }

 private:
  friend class Entries;
  struct Walk;
  explicit Iterator(std::shared_ptr<Walk> walk) : walk_(std::move(walk)) {}
  [[nodiscard]] bool done() const noexcept;

  std::shared_ptr<Walk> walk_;
};

template <TransactionBody Body>
decltype(auto) Cache::transact(Body&& body, const WriteOptions& options) {
  Transaction transaction(*this, options);
  using Result = decltype(detail::run(std::forward<Body>(body), transaction));
  if constexpr (std::is_void_v<Result>) {
    detail::run(std::forward<Body>(body), transaction);
    transaction.commit();
  } else {
    Result&& result = detail::run(std::forward<Body>(body), transaction);
    transaction.commit();
    return static_cast<Result>(std::forward<Result>(result));
  }
}

}  // namespace dcache
