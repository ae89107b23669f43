// SPDX-License-Identifier: Apache-2.0
//
// What a lock is: a record, and a pure function that says what an event does to it. Nothing here reads a
// clock, a store or the system; all of that comes in with the event. Engines and handles share this one
// machine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dcache/liveness.hpp"

namespace dcache::locking {

enum class Kind { lock, rlock };

/// Who acts: a session and, within it, a thread or a handle. Numbers of processes and threads are no
/// identity: they are reused, and repeat across containers.
struct Agent {
  std::string session;
  std::uint64_t agent = 0;
  friend bool operator==(const Agent&, const Agent&) = default;
};

/// One grant.
struct Hold {
  std::string owner;  ///< "pid-tid", for people
  Agent who;
  std::uint64_t count = 1;
  std::uint64_t fence = 0;
  std::int64_t since = 0;             ///< wall-clock microseconds
  std::optional<std::int64_t> lease;  ///< end, in microseconds since boot
  std::string label;
  std::vector<std::string> tags;
  friend bool operator==(const Hold&, const Hold&) = default;
};

struct LockRecord {
  Kind kind = Kind::lock;
  std::uint64_t fence = 0;  ///< of the newest grant
  std::vector<Hold> holders;
  friend bool operator==(const LockRecord&, const LockRecord&) = default;
};

/// What the machine may ask of the world around it.
struct World {
  std::int64_t boottime_us = 0;
  std::function<Liveness(const std::string& session)> alive;
};

enum class Outcome {
  granted,    ///< held now
  again,      ///< held one level deeper
  busy,       ///< somebody else holds it
  mine,       ///< the very agent holds it, and its kind is not re-entrant
  released,   ///< free now
  shallower,  ///< held one level less
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
  std::optional<LockRecord> record;
  bool fence_used = false;
  bool owner_died = false;  ///< granted over a holder that was dead or whose lease was over
};

/// Whether a grant has ended by itself: its process is gone or its lease over.
[[nodiscard]] bool ended(const Hold& hold, const World& world);

/// `wish` asks for the lock; its fence is the new one. A grant that has ended is taken over.
[[nodiscard]] Result acquire(const std::optional<LockRecord>& record, Kind kind, const Hold& wish,
                             const World& world);

/// An agent gives back the grant with `fence`, or whichever grant it has when the fence is none.
[[nodiscard]] Result release(const std::optional<LockRecord>& record, const Agent& who,
                             std::optional<std::uint64_t> fence);

/// Somebody removes a grant that has ended, or with its fence and `force` one that has not.
[[nodiscard]] Result clear(const std::optional<LockRecord>& record, std::optional<std::uint64_t> fence,
                           bool force, const World& world);

}  // namespace dcache::locking
