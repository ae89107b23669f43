// SPDX-License-Identifier: Apache-2.0
//
// What a lock is: a record, and pure functions that say what an event does to it. Nothing here reads a clock,
// a store or the system; all of that comes in with the event. Engines and handles share this one machine.
//
// Nobody becomes a holder except by its own event. A release leaves a *turn*: for some milliseconds the lock
// is kept free for one waiter, which is woken. Until a waiter is old enough, newcomers may overtake it
// ("barging with ageing"): that keeps a lock busy while a sleeper wakes up, and no sleeper starves. A waiter
// that lets its turn pass is *late*, and left out until it shows up again. So one that has died, given up or
// been stopped holds nobody up for longer than a turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dcache/liveness.hpp"
#include "dcache/store.hpp"

namespace dcache::locking {

enum class Kind {
  lock,       ///< exclusive
  rlock,      ///< exclusive and re-entrant
  rwlock,     ///< exclusive or shared; shared grants are re-entrant
  semaphore,  ///< counted: at most `limit` permits are out
};

enum class Mode {
  exclusive,
  shared,
  permits,  ///< as many as the grant's count
};

using dcache::Agent;

/// One grant.
struct Hold {
  std::string owner;  ///< "pid-tid", for people
  Agent who;
  Mode mode = Mode::exclusive;
  std::uint64_t count = 1;  ///< levels of re-entry, or permits
  std::uint64_t fence = 0;
  std::int64_t since = 0;             ///< wall-clock microseconds
  std::optional<std::int64_t> lease;  ///< end: microseconds since boot, or of the wall clock if `keep`
  std::optional<std::int64_t> most;   ///< no renewal moves the end of the lease beyond this
  bool keep = false;                  ///< outlives its holder, until its lease ends
  bool upgrading = false;             ///< shared, to become exclusive: nobody else joins in meanwhile
  std::string label;
  std::vector<std::string> tags;
  friend bool operator==(const Hold&, const Hold&) = default;
};

/// One who waits.
struct Wait {
  std::uint64_t ticket = 0;  ///< unique for ever, as it comes from the same source as fences
  std::string owner;         ///< "pid-tid", for people
  Agent who;
  Mode mode = Mode::exclusive;
  std::uint64_t count = 1;
  std::int64_t since = 0;  ///< microseconds since boot
  bool fair = false;       ///< is never overtaken, however young
  bool late = false;
  friend bool operator==(const Wait&, const Wait&) = default;
};

struct Turn {
  std::uint64_t ticket = 0;
  std::int64_t until = 0;  ///< microseconds since boot
  friend bool operator==(const Turn&, const Turn&) = default;
};

struct LockRecord {
  Kind kind = Kind::lock;
  std::uint64_t fence = 0;  ///< of the newest grant, or of the clearing since
  std::uint64_t limit = 1;  ///< permits of a semaphore
  std::vector<Hold> holders = {};
  std::vector<Wait> waiters = {};  ///< oldest first
  std::optional<Turn> turn = {};
  friend bool operator==(const LockRecord&, const LockRecord&) = default;
};

/// So long a waiter may be overtaken, in microseconds.
inline constexpr std::int64_t kAge = 2'000;
/// So long a turn stands: several times what a sleeper needs to wake up.
inline constexpr std::int64_t kTurn = 5'000;
/// A hold of this length or more is followed by waking the second waiter too: should the first be stopped,
/// the second is there when its turn lapses.
inline constexpr std::int64_t kLongHold = 10'000;

/// The longest queue. Every change of a lock writes it; who comes later looks again now and then for room.
inline constexpr std::size_t kMostWaiters = 128;

/// What the machine may ask of the world around it.
struct World {
  std::int64_t boottime_us = 0;
  std::int64_t wall_us = 0;
  std::function<Liveness(const std::string& session)> alive;
};

/// What one who does not get the lock wants.
enum class Queue {
  stay_out,  ///< not to wait
  join,      ///< to wait, or to go on waiting
  leave,     ///< to wait no longer
};

/// A request.
struct Wish {
  Kind kind = Kind::lock;
  std::uint64_t limit = 1;
  Hold hold = {};            ///< the grant that is asked for; the machine puts its fence in
  bool fair = false;         ///< neither overtakes nor is overtaken
  std::uint64_t ticket = 0;  ///< of the place in the queue; 0 = none yet
  Queue queue = Queue::stay_out;
};

enum class Outcome {
  granted,    ///< held now
  again,      ///< held one level deeper
  busy,       ///< somebody else holds it, or is to hold it first
  mine,       ///< the very agent holds it, and cannot hold it twice
  deadlock,   ///< another one is to become exclusive, and waits for this agent's grant
  mismatch,   ///< in use as another kind of lock, or with another limit
  released,   ///< not held any more by the agent
  shallower,  ///< held one level less
  renewed,
  left,       ///< does not wait any more
  not_owner,  ///< there is a grant, or none, and the agent has no part in it
  lost,       ///< the agent's grant is gone
  cleared,
  absent,
  refused,
};

/// The record after an event, and what it came to. No record: remove it.
struct Result {
  Outcome outcome = Outcome::absent;
  bool changed = false;
  std::optional<LockRecord> record = {};
  bool number_used = false;      ///< the new number is in the record, as a fence or a ticket
  bool owner_died = false;       ///< granted over a holder that was dead or whose lease was over
  std::uint64_t ticket = 0;      ///< the place in the queue after the event; 0 = none
  std::vector<Agent> wake = {};  ///< whose fate may have changed: to be woken once the record is stored
};

/// The grant that an agent has, or null.
[[nodiscard]] const Hold* find_hold(const std::optional<LockRecord>& record, const Agent& who);

/// Whether a grant has ended by itself: its process is gone or its lease over.
[[nodiscard]] bool ended(const Hold& hold, const World& world);

/// When the first of the leases ends that have not yet, in microseconds since boot.
[[nodiscard]] std::optional<std::int64_t> first_lease_end(const LockRecord& record, const World& world);

/// Whether nobody's grant keeps out `mode`: who waits does not count.
[[nodiscard]] bool is_free(const LockRecord& record, Mode mode, std::uint64_t count, const World& world);

/// Asks for the lock. `number` has never been used in this cache and is above all that have: it becomes the
/// grant's fence or the waiter's ticket. Grants that have ended are taken over.
[[nodiscard]] Result acquire(const std::optional<LockRecord>& record, const Wish& wish, std::uint64_t number,
                             const World& world);

/// An agent gives back one level, or `count` permits, of the grant with `fence`, or of whichever grant it has
/// when the fence is none.
[[nodiscard]] Result release(const std::optional<LockRecord>& record, const Agent& who,
                             std::optional<std::uint64_t> fence, std::uint64_t count, const World& world);

/// Moves the end of a grant's lease to `lease`, or to its utmost. A lease that is over is renewed as long as
/// nobody else got the lock; a grant without a lease gets none (Outcome::refused).
[[nodiscard]] Result renew(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence,
                           std::int64_t lease, const World& world);

/// The holder of a shared grant wants it to be exclusive: granted, with `number` as its new fence, once all
/// others have gone. Until then it is `busy`, and with `wait` nobody else joins in; without, it gives that
/// up. Of two who want that, the second would wait for the first for ever.
[[nodiscard]] Result upgrade(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence,
                             bool wait, std::uint64_t number, const World& world);

/// It gives that up without asking, whether or not its lease has ended.
[[nodiscard]] Result stop_upgrading(const std::optional<LockRecord>& record, const Agent& who,
                                    std::uint64_t fence, const World& world);

/// The holder of an exclusive grant lets others share it from now on.
[[nodiscard]] Result downgrade(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence,
                               const World& world);

/// The holder of a kept grant goes, and leaves it to its lease: from now on it is nobody's.
[[nodiscard]] Result leave_kept(const std::optional<LockRecord>& record, const Agent& who,
                                std::uint64_t fence);

/// The thread that holds a grant has ended without giving it back: the next one takes it over, and is told.
[[nodiscard]] Result abandon(const std::optional<LockRecord>& record, const Agent& who, std::uint64_t fence,
                             const World& world);

/// A waiter gives up.
[[nodiscard]] Result cancel(const std::optional<LockRecord>& record, std::uint64_t ticket,
                            const World& world);

/// Somebody removes grants that have ended (without a fence: all of them), or with its fence and `force` one
/// that has not. `number` as for `acquire`.
[[nodiscard]] Result clear(const std::optional<LockRecord>& record, std::optional<std::uint64_t> fence,
                           bool force, std::uint64_t number, const World& world);

/// What a waiter, or one who is not in the queue yet, does next after reading the record.
struct Look {
  bool act = false;                       ///< an `acquire` may come to something now
  std::optional<std::int64_t> next = {};  ///< look again at this time, in microseconds since boot
  std::vector<std::string> watch = {};    ///< sessions whose death changes the waiter's fate
  std::optional<Agent> wake = {};         ///< who has the turn, and seems to have missed it
  std::size_t ahead = 0;                  ///< waiters before this one
};
[[nodiscard]] Look look(const std::optional<LockRecord>& record, const Wish& wish, const World& world);

}  // namespace dcache::locking
