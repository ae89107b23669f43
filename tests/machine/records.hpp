// SPDX-License-Identifier: Apache-2.0
//
// The functions of the machine of locks as a table: every event on every record that comes up, worked out
// once by the real function, checked, and kept under a small number. Numbers and times are normalised, so
// that there are few records: a ticket or a fence is only ever compared with its like, a time only with now.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "locks/record.hpp"

namespace dcache::test {

using locking::LockRecord;
using locking::Outcome;
using locking::Queue;
using locking::Result;
using locking::World;

/// The functions that are explored: the real ones, unless a test puts a wrong one in their place.
struct Machine {
  std::function<Result(const std::optional<LockRecord>&, const locking::Wish&, std::uint64_t, const World&)>
      acquire = locking::acquire;
  std::function<Result(const std::optional<LockRecord>&, const locking::Agent&, std::optional<std::uint64_t>,
                       std::uint64_t, const World&)>
      release = locking::release;
  std::function<Result(const std::optional<LockRecord>&, const locking::Agent&, std::uint64_t, std::int64_t,
                       const World&)>
      renew = locking::renew;
  std::function<Result(const std::optional<LockRecord>&, const locking::Agent&, std::uint64_t, bool,
                       std::uint64_t, const World&)>
      upgrade = locking::upgrade;
  std::function<Result(const std::optional<LockRecord>&, const locking::Agent&, std::uint64_t, const World&)>
      downgrade = locking::downgrade;
  std::function<Result(const std::optional<LockRecord>&, std::uint64_t, const World&)> cancel =
      locking::cancel;
  std::function<Result(const std::optional<LockRecord>&, std::optional<std::uint64_t>, bool, std::uint64_t,
                       const World&)>
      clear = locking::clear;
  std::function<locking::Look(const std::optional<LockRecord>&, const locking::Wish&, const World&)> look =
      locking::look;
};

/// What an agent may ask for.
struct Ask {
  locking::Kind kind = locking::Kind::lock;
  locking::Mode mode = locking::Mode::exclusive;
  std::uint64_t count = 1;
  bool fair = false;
  bool lease = false;
  bool keep = false;
  friend bool operator==(const Ask&, const Ask&) = default;
};

inline constexpr unsigned kMostAgents = 4;

/// A set of agents, by bits.
using Agents = unsigned;

/// The new number of each agent.
using Order = std::array<unsigned, kMostAgents>;

/// What can become of a record: transactions, and time that passes.
enum class Event : unsigned {
  try_once,
  join,
  leave,
  cancel,
  release,
  renew,
  clear,
  upgrade,
  upgrade_or_not,  ///< now or not at all
  downgrade,
  age,
  lapse,
  lease_over,
};

/// When a sleeper looks again by itself.
enum class Next : unsigned { never, turn, lease, due };

/// A record's number; 0 is none.
using RecordId = std::uint32_t;

struct Step {
  Outcome outcome = Outcome::absent;
  bool changed = false;
  bool waits = false;
  RecordId after = 0;
  Agents wake = 0;
  const char* wrong = nullptr;  ///< what it breaks
};

struct Sight {
  bool act = false;
  Next next = Next::never;
  Agents watch = 0;
  Agents wake = 0;
  const char* wrong = nullptr;
};

class Records {
 public:
  Records(const Machine& machine, std::vector<std::vector<Ask>> asks, std::uint64_t limit, bool long_holds);

  /// What `event` by `agent`, which has a place in the queue or not, does to a record. `other` is whose grant
  /// is cleared.
  const Step& step(RecordId before, Event event, unsigned agent, unsigned ask, bool waits, Agents dead,
                   unsigned other = 0);
  const Sight& sight(RecordId record, unsigned agent, unsigned ask, Agents dead);

  [[nodiscard]] const LockRecord& operator[](RecordId id) const { return records_[id]; }
  [[nodiscard]] std::size_t size() const { return records_.size(); }

  [[nodiscard]] static const locking::Hold* hold(const LockRecord& record, unsigned agent);
  [[nodiscard]] static const locking::Wait* wait(const LockRecord& record, unsigned agent);
  [[nodiscard]] static unsigned number(const locking::Agent& agent);
  [[nodiscard]] static bool turn_stands(const LockRecord& record);
  [[nodiscard]] static bool lease_runs(const locking::Hold& hold);
  [[nodiscard]] static World world(Agents dead);

  /// The same record with other numbers for the agents.
  RecordId renamed(RecordId id, const Order& to);

  /// The record in a few words, where agents have these letters.
  [[nodiscard]] std::string words(RecordId id, const std::string& letters) const;

 private:
  [[nodiscard]] Result apply(const std::optional<LockRecord>& old, Event event, unsigned agent, unsigned ask,
                             bool waits, const World& world, unsigned other) const;
  [[nodiscard]] locking::Wish wish(unsigned agent, unsigned ask, bool waits, Queue queue) const;
  [[nodiscard]] const char* check(const std::optional<LockRecord>& old, const Result& result, Event event,
                                  unsigned agent, const Ask& ask, const World& world, unsigned other) const;
  [[nodiscard]] static const char* check_exchange(const locking::Hold* old, const locking::Hold* own,
                                                  const Result& result, Event event, const LockRecord& before,
                                                  const std::function<bool(const locking::Hold&)>& over);
  [[nodiscard]] const char* check_record(const LockRecord& record) const;
  RecordId intern(const LockRecord& raw);

  const Machine machine_;
  const std::vector<std::vector<Ask>> asks_;
  const std::uint64_t limit_;
  const bool long_holds_;
  std::vector<LockRecord> records_;
  std::unordered_map<std::string, RecordId> ids_;
  std::unordered_map<std::uint64_t, Step> steps_;
  std::unordered_map<std::uint64_t, Sight> sights_;
  std::unordered_map<std::uint64_t, RecordId> renamed_;
};

}  // namespace dcache::test
