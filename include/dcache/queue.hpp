// SPDX-License-Identifier: Apache-2.0
//
// Queues that processes share.
//
//   dcache::Queue jobs{cache, "jobs"};
//   jobs.push("resize cat.png");
//   while (auto job = jobs.lease({.wait = 10s})) {  // comes back if this process dies
//     work_on(job->value());
//     job->ack();
//   }
//
// A queue is a name in a cache; its items are ordinary values. An item's key is the name, '#' and 19 digits:
// 5000000000000000000 plus the microseconds since 1970 when it was pushed at the back, or minus them at the
// front, moved on by one where that would not be in order. So the keys of a queue are in its order, and are
// not used again when it has been empty; they last for 158,000 years. Values under any other key, such as
// "jobs#new", are nobody's items and stay as they are.
//
// As items are values they can be got, touched, listed (`entries({.prefix = "jobs#", .order = Order::key})`),
// expired, evicted by tag, cleared, and removed for the size limit: give a cache of queues Policy::none.
//
// An item that is damaged is passed over and told to `Options::on_error`, by each call that meets it outside
// of `Cache::transact`; it stays for `Cache::check` to take out.
//
// The model is diskcache's push, pull and peek; leases are those of this library's locks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dcache/cache.hpp"
#include "dcache/items.hpp"
#include "dcache/lock.hpp"

namespace dcache {

struct PushOptions {
  Side side = Side::back;
  std::optional<Duration> expire = {};  ///< life from now; an item whose time is over is gone
  Tags tags = {};
};

struct PullOptions {
  Side side = Side::front;
  Duration wait = {};         ///< longest wait for an item, if there is none; `forever` has no end
  std::stop_token stop = {};  ///< ends the wait with Cancelled, within 50 ms
};

struct LeaseOptions {
  Side side = Side::front;
  Duration wait = {};         ///< as in PullOptions
  std::stop_token stop = {};  ///< likewise
  /// The item comes back after this time even though its worker lives. None: when the worker is gone.
  std::optional<Duration> lease = {};
  bool renew = false;      ///< as LockOptions::renew
  bool keep = false;       ///< it outlives object and process until its lease (needed) ends: see `token`
  std::string label = {};  ///< what people see in `locks`; at most 256 bytes
};

/// An item that is being worked on. It is still in the queue, but nobody else gets it: `ack` removes it. If
/// this object goes without that (an exception), or its process dies however it may, or the lease ends, the
/// item can be had again by the others, at its old place.
///
/// A lease is a lock on the item's key, so `locks` shows who works on what, and `guard` makes writes that are
/// refused once the item belongs to somebody else.
class DCACHE_EXPORT LeasedItem {
 public:
  LeasedItem(LeasedItem&&) noexcept;
  LeasedItem& operator=(LeasedItem&&) noexcept;
  LeasedItem(const LeasedItem&) = delete;
  LeasedItem& operator=(const LeasedItem&) = delete;
  ~LeasedItem();

  [[nodiscard]] const std::string& key() const noexcept { return entry_.key; }
  [[nodiscard]] const std::string& value() const noexcept { return entry_.value; }
  /// The item as it was when it was leased.
  [[nodiscard]] const Entry& entry() const noexcept { return entry_; }

  /// Whether another worker died or was too late with it, so that it may have been worked on before.
  [[nodiscard]] bool again() const noexcept { return again_; }

  /// The work is done: removes the item and ends the lease. False if the item was gone meanwhile (expired,
  /// evicted, cleared). A lease that is over does no harm as long as nobody else got the item. Throws
  /// LockLost if somebody did: it is theirs now, and stays. Inside `Cache::transact` it takes part, so that
  /// the work and its end are one step; the lease ends with the transaction, and if that is undone the item
  /// is to be had again.
  bool ack();

  /// Gives the item back, to be had by others at once. Nothing happens if the lease is lost.
  void nack();

  /// Begins the lease anew, as SyncLock::renew.
  void renew();

  /// The condition that the item is still this worker's.
  [[nodiscard]] Guard guard() const;

  /// Names the lease, for `Queue::adopt` in any process.
  [[nodiscard]] std::string token() const;

 private:
  friend class Queue;
  LeasedItem(Cache cache, std::string topic, std::unique_ptr<SyncLock> lock, Entry entry);
  void end_lease();
  void give_back() noexcept;

  Cache cache_;
  std::string topic_;
  std::unique_ptr<SyncLock> lock_;  ///< none: it is not leased any more
  Entry entry_;
  bool again_ = false;
};

/// A queue in a cache: first in, first out, or from whichever end. Each call is atomic across threads and
/// processes. An object may be used by several threads; it keeps the cache open.
///
/// `push` and `pull` take part in `Cache::transact`. There `pull` passes over items on lease, whether or not
/// their worker lives, and neither `lease` nor waiting is possible (Misuse).
class DCACHE_EXPORT Queue {
 public:
  /// Throws InvalidArgument for a name of more than 4,076 bytes. Nothing is stored yet.
  Queue(Cache& cache, ByteView name);

  /// Puts a value at an end and returns the key of its item. Throws as `Cache::set`, and Full if the keys of
  /// that end are used up, which takes a value that somebody stored under the last of them.
  std::string push(ByteView value, const PushOptions& options = {});

  /// Takes an item off an end; nothing if there is none. Of several callers exactly one gets it. Items on
  /// lease are passed over.
  [[nodiscard]] std::optional<Entry> pull(const PullOptions& options = {});

  /// Gets an item to work on: see LeasedItem. Nothing if there is none. Throws InvalidArgument as a lock with
  /// these options.
  [[nodiscard]] std::optional<LeasedItem> lease(const LeaseOptions& options = {});

  /// Takes up a lease by its token, which says nothing to other queues; nothing if there is no such lease any
  /// more. Its former owner loses it once it is acked or nacked here; the end of the returned object changes
  /// nothing. `lease` is what LeasedItem::renew begins anew.
  [[nodiscard]] std::optional<LeasedItem> adopt(std::string_view token,
                                                Duration lease = std::chrono::seconds(60));

  /// The items, those on lease included, from an end to the other, as Items says.
  [[nodiscard]] Items items(Side from = Side::front) const;

  /// What `pull` would take.
  [[nodiscard]] std::optional<Entry> peek(Side side = Side::front) const;

  /// Number of items, those on lease included; counted one by one.
  [[nodiscard]] std::uint64_t size() const;

  /// Removes the items, those on lease included, in small steps. Returns how many.
  std::uint64_t clear();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Whether this is the key of one of its items.
  [[nodiscard]] bool has_key(std::string_view key) const noexcept;

 private:
  friend class Deque;
  struct Candidate;
  struct Passed;
  struct Taken;
  [[nodiscard]] std::string next_key(Side side) const;
  std::string put(Side side, ByteView value, const SetOptions& options);
  void wake();
  [[nodiscard]] std::optional<Candidate> candidate(Side side, Passed& passed) const;
  [[nodiscard]] std::optional<Entry> read(const std::string& key, Passed& passed) const;
  [[nodiscard]] Taken take_first(Side side, Passed& passed);
  [[nodiscard]] std::optional<Entry> take_over(const std::string& key, Passed& passed);
  [[nodiscard]] std::optional<Entry> pull_now(Side side);
  [[nodiscard]] std::optional<LeasedItem> lease_now(const LeaseOptions& options);
  /// Calls `f` with the keys of items, from that end on, until it returns false.
  template <class F>
  void walk(Side side, F&& f) const;

  Cache cache_;
  std::string name_;
};

/// The first or the last live entry of a cache, in order of insertion or of keys; nothing if it is empty.
/// Damaged ones are passed over and told to `Options::on_error`. The model is diskcache's peekitem.
[[nodiscard]] DCACHE_EXPORT std::optional<Entry> peekitem(const Cache& cache, Side side = Side::back,
                                                          Order order = Order::inserted);

}  // namespace dcache
