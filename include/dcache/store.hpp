// SPDX-License-Identifier: Apache-2.0
//
// The interface of a store engine: values and records, in bytes. `Cache` and the locks stand on it and know
// no engine; a user of dcache needs it only to add one.
//
// Two kinds of things live side by side. *Values* have expiry, tags and a format. *Records* are small texts
// in a space of their own, never touched by calls on values: a lock is one record.
//
// All calls are atomic, safe from any thread, and wait for other writers until their deadline, then throw
// Timeout. A thread that has called `begin` works inside its transaction until `commit` or `rollback`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "dcache/bytes.hpp"
#include "dcache/cache.hpp"
#include "dcache/check.hpp"
#include "dcache/duration.hpp"
#include "dcache/entry.hpp"
#include "dcache/guard.hpp"
#include "dcache/liveness.hpp"
#include "dcache/tags.hpp"
#include "dcache/upkeep.hpp"

namespace dcache {

/// A call that is only borrowed: no copy, no allocation. It must not outlive what it was made from.
template <class Signature>
class FunctionRef;

template <class Result, class... Args>
class FunctionRef<Result(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<Result, F&, Args...>)
      // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload)
      FunctionRef(F&& f)
  noexcept
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* object, Args... args) -> Result {
          return (*static_cast<std::remove_reference_t<F>*>(object))(static_cast<Args&&>(args)...);
        }) {}

  Result operator()(Args... args) const { return call_(object_, static_cast<Args&&>(args)...); }

 private:
  void* object_;
  Result (*call_)(void*, Args...);
};

/// A moment of the monotonic clock at which a call stops waiting; `kNoDeadline` waits for ever.
using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();

/// Hands out the next bytes of a value: fills at most `size` bytes and returns how many; 0 is the end.
using Source = FunctionRef<std::size_t(char* buffer, std::size_t size)>;

/// Takes the next bytes of a value.
using Sink = FunctionRef<void(std::string_view bytes)>;

/// A value on its way in. Nothing is owned.
struct NewValue {
  std::string_view bytes;
  Format format = Format::bytes;
  std::optional<Timestamp> expires = {};
  std::span<const std::string> tags = {};  ///< sorted, without repeats
  const Guard* guard = nullptr;            ///< what must hold when it is stored
};

/// What a function given to `Store::update` wants done.
struct Change {
  enum class Kind {
    keep,    ///< nothing
    put,     ///< store `value` in place of what is there
    retime,  ///< only change the expiry to `value.expires`
    erase,   ///< remove what is there
  };
  Kind kind = Kind::keep;
  NewValue value = {};
};

/// Who acts: a session and, within it, a thread or a handle. Numbers of processes and threads are no
/// identity: they are reused, and repeat across containers.
struct Agent {
  std::string session;
  std::uint64_t agent = 0;
  friend bool operator==(const Agent&, const Agent&) = default;
};

/// What a function given to `Store::update_record` wants done.
struct RecordChange {
  enum class Kind { keep, put, erase };
  Kind kind = Kind::keep;
  std::string bytes = {};
  bool fence_used = false;  ///< the new fence is part of `bytes`; it will never be handed out again
  /// To be woken as soon as it is done, before the store tidies up. Not owned.
  std::span<const Agent> wake = {};
};

struct Record {
  std::string key;
  std::string bytes;
};

/// The spaces that records live in. That of the layout has one, with an empty key, and only where a cache is
/// made of several stores.
enum class Space : std::uint8_t { locks = 1, lock_log = 2, layout = 3 };

/// What is counted for all users of a cache together. The last two keep the longest, in microseconds.
enum class LockCounter : std::uint8_t { grants, contended, takeovers, lost, longest_wait, longest_hold };
[[nodiscard]] constexpr bool keeps_longest(LockCounter counter) noexcept {
  return counter == LockCounter::longest_wait || counter == LockCounter::longest_hold;
}

/// Agents with an odd number are no threads: handles, coroutines. Whoever wakes one of them wakes this agent
/// of the same session too, so that one thread can sleep for any number of them, and then look whose words
/// have moved.
inline constexpr std::uint64_t kAnyHandle = 1;
[[nodiscard]] constexpr bool wakes_any_handle(std::uint64_t agent) noexcept {
  return agent % 2 == 1 && agent != kAnyHandle;
}

/// A walk over live entries in pages. It holds nothing open between pages.
class Scan {
 public:
  virtual ~Scan() = default;
  /// Replaces `page` by the next entries; leaves it empty at the end.
  virtual void next(std::vector<Entry>& page) = 0;
  /// The place of each entry of the last page in the order of insertion, if the walk is in that order. Among
  /// several stores it is as good as the clock was.
  [[nodiscard]] const std::vector<std::int64_t>& places() const noexcept { return places_; }

 protected:
  std::vector<std::int64_t> places_;
};

class DCACHE_EXPORT Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store();

  // Values. "Live" means: there, and not expired now. A guard is evaluated inside the call's own transaction,
  // on the lock's record there: if it does not hold, LockLost is thrown and nothing is changed.

  /// The bytes of a live value. Throws Corrupt if they do not match their checksum, as all reads of values
  /// do.
  virtual std::optional<std::string> get(std::string_view key) = 0;
  virtual std::optional<Entry> entry(std::string_view key) = 0;
  virtual bool contains(std::string_view key) = 0;

  enum class Put { always, if_absent };
  /// Stores a value; with `if_absent` only if none is live. Whether it did.
  virtual bool put(std::string_view key, const NewValue& value, Put mode) = 0;
  /// Removes a value; whether it was live.
  virtual bool erase(std::string_view key, const Guard* guard = nullptr) = 0;
  /// As `put` with Put::always; the bytes come from `source` instead of `value.bytes`.
  virtual void put_from(std::string_view key, const NewValue& value, Source source) = 0;
  /// Hands the bytes of a live value to `sink`, in parts; whether there was one. If they turn out damaged,
  /// Corrupt is thrown after `sink` has seen some.
  virtual bool get_to(std::string_view key, Sink sink) = 0;
  /// Removes a live value and returns it, in one step.
  virtual std::optional<Entry> pop(std::string_view key, const Guard* guard = nullptr) = 0;
  /// Replaces the value if its bytes are `expected`, in one step. Whether it did.
  virtual bool replace(std::string_view key, std::string_view expected, const NewValue& desired) = 0;

  /// Runs `f` once or more on the live entry (or null) and does what the last run returned, in one atomic
  /// step with what `f` saw. `f` must be pure. What the returned change points at must outlive the call. A
  /// large value may be left out of the entry: then it is empty although `size` is not 0.
  virtual void update(std::string_view key, FunctionRef<Change(const Entry*)> f,
                      const Guard* guard = nullptr) = 0;

  /// Throws LockLost unless `guard` holds with the lock's record as it is, and InvalidArgument if it is of
  /// another cache. For engines, and for who begins a transaction.
  void require(const Guard& guard, const std::optional<std::string>& record);
  /// The same with the record that is stored. In a transaction of this thread what holds now holds until its
  /// end.
  virtual void hold_to(const Guard& guard);

  virtual std::unique_ptr<Scan> scan(const EntryFilter& filter) = 0;

  enum class Direction { up, down };
  /// At most `limit` keys of values from `low` on and before `high`, in order of key or backwards. Nothing
  /// but keys is looked at: what has expired or is damaged is among them.
  virtual std::vector<std::string> keys(std::string_view low, std::string_view high, Direction direction,
                                        std::size_t limit) = 0;

  /// Removes values in small steps and says how many: those with the tags, all, or the expired ones; of the
  /// first two only what was stored before the call and not after `start`.
  /// `on_progress` is told between steps how many went.
  virtual std::uint64_t evict(const Tags& tags, Match match, Timestamp start,
                              const OnProgress& on_progress) = 0;
  virtual std::uint64_t clear(Timestamp start, const OnProgress& on_progress) = 0;
  virtual std::uint64_t expire() = 0;

  /// Removes what has expired, then by policy until the cache is within its size limit. Returns how many.
  virtual std::uint64_t cull() = 0;

  /// Number of live values, counted.
  virtual std::uint64_t size() = 0;
  /// Bytes that the cache takes up.
  virtual std::uint64_t bytes() = 0;

  /// What is stored with the cache for all its users.
  virtual Settings settings() = 0;
  virtual void change_settings(FunctionRef<void(Settings&)> change) = 0;
  virtual Stats stats() = 0;
  /// The different tags in use, in no order.
  virtual std::vector<std::string> tags() = 0;

  /// Gives back room that was kept for removing values on a full disk; false where there is none. For who
  /// has met Full `tries` times, outside of transactions.
  [[nodiscard]] virtual bool make_way(int tries);

  /// Looks for damage, outside of transactions. What an engine that keeps nothing on a disk can say is the
  /// default: it reads everything.
  virtual CheckReport check(const CheckOptions& options);

  /// As `Cache::backup` and `Cache::compact`. The defaults are what an engine that keeps nothing on a disk
  /// can do: Unsupported, and to remove what has expired.
  virtual void backup(const std::filesystem::path& file, const BackupOptions& options);
  virtual CompactReport compact(const CompactOptions& options);

  // Records. A fence is a number that the store hands out; it only grows and never repeats.

  virtual std::optional<std::string> record(Space space, std::string_view key) = 0;
  /// If there is no record: stores what `make` returns for a new fence. Whether it did.
  virtual bool add_record(Space space, std::string_view key,
                          FunctionRef<std::string(std::uint64_t fence)> make, Deadline deadline) = 0;
  /// Removes the record if its bytes are still `expected`. Whether it did.
  virtual bool erase_record(Space space, std::string_view key, std::string_view expected,
                            Deadline deadline) = 0;
  /// As `update`: `f` gets the record (or null) and the fence that it may use.
  virtual void update_record(Space space, std::string_view key,
                             FunctionRef<RecordChange(const std::string* old, std::uint64_t fence)> f,
                             Deadline deadline) = 0;
  /// At most `limit` records behind key `after` (none = from the start), in order of key.
  virtual std::vector<Record> records(Space space, const std::optional<std::string>& after,
                                      std::size_t limit) = 0;

  // A store may be made of several, its shards, each of which keeps some of the keys. Records are in the
  // first.

  /// How many there are: 1 for an engine's own.
  [[nodiscard]] virtual std::size_t shards() const noexcept { return 1; }
  /// Which one keeps `key`, counted from 0.
  [[nodiscard]] virtual std::size_t shard_of(std::string_view /*key*/) const noexcept { return 0; }
  /// That shard itself. A transaction of this thread is one in it from then on; throws Unsupported if it is
  /// in another.
  [[nodiscard]] virtual Store& home_of(std::string_view /*key*/) { return *this; }
  /// Whether keys that begin with `prefix` may be in different ones.
  [[nodiscard]] virtual bool spreads(std::string_view /*prefix*/) const noexcept { return false; }
  /// Says, before anything is stored, that this is one of so many.
  void be_one_of(std::size_t shards) noexcept { siblings_ = shards; }

  // Transactions, bound to the calling thread. `begin` inside one is counted; only the outermost `commit`
  // commits. After a `rollback` at any level, or a failed call, `commit` throws Misuse.

  virtual void begin() = 0;
  virtual void commit() = 0;
  virtual void rollback() noexcept = 0;
  [[nodiscard]] virtual bool in_transaction() const noexcept = 0;

  // Sessions. A session is one process's use of this store, named by a text that is unique for ever.

  virtual std::string session() = 0;
  /// What tells this cache from all others, for ever.
  virtual std::string uuid() = 0;
  [[nodiscard]] virtual Liveness alive(std::string_view session) = 0;

  /// The descriptor whose copies keep this session alive after its process; -1 where there is none.
  [[nodiscard]] virtual int proof_of_life() = 0;

  /// Name of the program that a session is of; empty where it cannot be told. For people.
  [[nodiscard]] virtual std::string command(std::string_view session) = 0;

  // Waking: hints that carry no truth and may be lost. A waiter loads its word, then asks the store, and
  // sleeps only while the word is the same; who changes its fate commits, then wakes it.

  /// The word of an agent of this session, as it is now. None where nobody could wake it: it must look again
  /// by itself.
  [[nodiscard]] virtual std::optional<std::uint32_t> wake_word(std::uint64_t agent) = 0;
  /// Sleeps while the agent's word is `seen`, at most until `until`. May end for no reason.
  virtual void sleep(std::uint64_t agent, std::uint32_t seen, Deadline until) = 0;
  /// Wakes an agent of any session, and with it `kAnyHandle` if that is to be woken too. Never throws.
  virtual void wake(std::string_view session, std::uint64_t agent) noexcept = 0;
  /// The same for a word that whoever knows its name may sleep on.
  [[nodiscard]] virtual std::optional<std::uint32_t> topic_word(std::string_view topic) = 0;
  virtual void sleep_on(std::string_view topic, std::uint32_t seen, Deadline until) = 0;
  virtual void wake_topic(std::string_view topic) noexcept = 0;

  /// Adds to a counter, or raises it. A hint: it may be lost.
  virtual void count(LockCounter counter, std::uint64_t amount) noexcept = 0;
  [[nodiscard]] virtual std::uint64_t counted(LockCounter counter) noexcept = 0;

  /// While the returned object lives, the death of `session` wakes `agent` of this one. Null where that
  /// cannot be had.
  [[nodiscard]] virtual std::shared_ptr<void> watch(std::string_view session, std::uint64_t agent) = 0;

 protected:
  /// What an engine keeps to of a number that is for all of the cache.
  [[nodiscard]] std::uint64_t own_part(std::uint64_t whole) const noexcept;
  /// The settings, with its own part of the size limit.
  [[nodiscard]] Settings own_part(Settings settings) const noexcept;
  /// Whether the places of this store's values must be comparable with those of others.
  [[nodiscard]] bool has_siblings() const noexcept { return siblings_ > 1; }

 private:
  std::size_t siblings_ = 1;
};

}  // namespace dcache
