// SPDX-License-Identifier: Apache-2.0
#include "locks/access.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "dcache/error.hpp"
#include "locks/record_json.hpp"
#include "platform/clock.hpp"
#include "platform/process.hpp"

namespace dcache::locking {

namespace {

constexpr std::size_t kShownKey = 200;
constexpr std::size_t kPageRecords = 100;

/// How long one try of a duty may hold up the caller.
constexpr auto kDutyPatience = std::chrono::milliseconds(100);

/// What is told of a holder and of a waiter alike.
template <class Shown>
Shown describe_who(const std::string& owner, const Agent& who, Store& store) {
  Shown shown;
  shown.owner = owner;
  const char* const end = owner.data() + owner.size();
  const auto pid = std::from_chars(owner.data(), end, shown.pid);
  if (pid.ptr != end) std::from_chars(pid.ptr + 1, end, shown.tid);
  shown.command = store.command(who.session);
  shown.session = who.session;
  shown.agent = who.agent;
  shown.state = store.alive(who.session);
  return shown;
}

LockMode shown(Mode mode) noexcept {
  return mode == Mode::shared    ? LockMode::shared
         : mode == Mode::permits ? LockMode::permits
                                 : LockMode::exclusive;
}

}  // namespace

std::string name_of(std::string_view key) { return "lock '" + escape(key, kShownKey) + "'"; }

std::string owner_name() {
  return std::to_string(platform::pid()).append(1, '-').append(std::to_string(platform::tid()));
}

std::string described(Kind kind, std::uint64_t limit) {
  std::string text = kind == Kind::rlock || kind == Kind::rwlock ? "an " : "a ";
  text += name(kind);
  if (kind == Kind::semaphore) text += " of " + std::to_string(limit) + (limit == 1 ? " permit" : " permits");
  return text;
}

Mode mode_of(LockMode mode) noexcept {
  return mode == LockMode::shared    ? Mode::shared
         : mode == LockMode::permits ? Mode::permits
                                     : Mode::exclusive;
}

Store& store_for(const detail::CacheState& state, std::string_view key, Inside inside) {
  Store& store = state.store();
  if (inside == Inside::refused && store.in_transaction()) {
    throw Misuse(name_of(key) +
                 ": a lock cannot be taken, released or asked about inside "
                 "Cache::transact; take it before");
  }
  return store;
}

Deadline deadline_at(std::int64_t boottime_us) {
  const std::int64_t left = std::max<std::int64_t>(boottime_us - locking::boottime_us(), 0);
  return deadline_after(std::chrono::microseconds(left + 1));
}

World world_of(Store& store) {
  return {.boottime_us = boottime_us(), .wall_us = wall_us(), .alive = [&store](const std::string& session) {
            return store.alive(session);
          }};
}

std::optional<LockRecord> read_record(const std::string* bytes, std::string_view key,
                                      const detail::CacheState& state) {
  if (bytes == nullptr) return std::nullopt;
  std::optional<LockRecord> record = parse(*bytes);
  if (!record) {
    throw Corrupt(
        "the record of " + name_of(key) + " in '" + escape(state.directory().native()) +
        "' is damaged or of a newer version, so nobody can have it; clear it with force if no holder runs");
  }
  return record;
}

std::optional<LockRecord> read_record(Store& store, std::string_view key, const detail::CacheState& state) {
  const std::optional<std::string> bytes = store.record(Space::locks, key);
  return read_record(bytes ? &*bytes : nullptr, key, state);
}

void for_each_record(Store& store, FunctionRef<void(const Record&)> f) {
  std::optional<std::string> after;
  for (std::vector<Record> page; page = store.records(Space::locks, after, kPageRecords), !page.empty();
       after = page.back().key) {
    for (const Record& stored : page) f(stored);
  }
}

std::vector<NamedRecord> read_records(Store& store) {
  std::vector<NamedRecord> all;
  for_each_record(store, [&](const Record& stored) {
    if (auto record = parse(stored.bytes)) all.push_back({stored.key, std::move(*record)});
  });
  return all;
}

Changed change_record(Store& store, const detail::CacheState& state, std::string_view key,
                      FunctionRef<Result(const std::optional<LockRecord>&, std::uint64_t)> event,
                      Deadline deadline) {
  Changed changed;
  Result& result = changed.result;
  store.update_record(
      Space::locks, key,
      [&](const std::string* old, std::uint64_t number) -> RecordChange {
        result = event(read_record(old, key, state), number);
        RecordChange change = change_of(result);
        const bool alone =
            result.record && result.record->waiters.empty() && result.record->holders.size() == 1;
        changed.bytes = alone ? change.bytes : std::string();
        return change;
      },
      deadline);
  return changed;
}

Changed renew_grant(Store& store, const detail::CacheState& state, std::string_view key, const Agent& who,
                    std::uint64_t fence, Duration lease, Deadline deadline) {
  return change_record(
      store, state, key,
      [&](const std::optional<LockRecord>& old, std::uint64_t) {
        const Hold* const own = find_hold(old, who);
        const std::int64_t now = lease_clock_us(own != nullptr && own->keep);
        return renew(old, who, fence, microseconds_after(now, lease), world_of(store));
      },
      deadline);
}

RecordChange change_of(const Result& result) {
  RecordChange change{.fence_used = result.number_used, .wake = result.wake};
  if (!result.changed) return change;
  change.kind = result.record ? RecordChange::Kind::put : RecordChange::Kind::erase;
  if (result.record) change.bytes = print(*result.record);
  return change;
}

Duty duty(std::string key, std::function<Result(const std::optional<LockRecord>&, const World&)> event) {
  return [key = std::move(key), event = std::move(event)](detail::CacheState& state) {
    try {
      Store& store = store_for(state, key);
      static_cast<void>(change_record(
          store, state, key,
          [&](const std::optional<LockRecord>& old, std::uint64_t) { return event(old, world_of(store)); },
          deadline_after(kDutyPatience)));
      return true;
    } catch (const Corrupt&) {
      return true;
    } catch (const NotACache&) {
      return true;
    } catch (const std::exception&) {
      return state.forked();
    }
  };
}

void do_or_keep(detail::CacheState& state, const Duty& duty) noexcept {
  try {
    if (!duty(state)) state.keep(duty);
  } catch (const std::exception&) {
    // Out of memory: what is held goes with the process.
  }
}

Holder describe(const Hold& hold, Store& store) {
  auto holder = describe_who<Holder>(hold.owner, hold.who, store);
  holder.mode = shown(hold.mode);
  holder.count = hold.count;
  holder.fence = hold.fence;
  holder.since = Timestamp::from_unix_nanoseconds(hold.since * 1000);
  if (hold.lease) {
    holder.lease_left = std::chrono::microseconds(*hold.lease - lease_clock_us(hold.keep));
  }
  holder.keep = hold.keep;
  holder.label = hold.label;
  holder.tags = hold.tags;
  return holder;
}

Waiter describe(const Wait& wait, std::int64_t now, Store& store) {
  auto waiter = describe_who<Waiter>(wait.owner, wait.who, store);
  waiter.mode = shown(wait.mode);
  waiter.waited = std::chrono::microseconds(std::max<std::int64_t>(now - wait.since, 0));
  waiter.fair = wait.fair;
  waiter.late = wait.late;
  return waiter;
}

std::int64_t boottime_us() noexcept { return platform::boottime_ns() / 1000; }

std::int64_t wall_us() noexcept { return platform::now().unix_nanoseconds() / 1000; }

std::int64_t microseconds_after(std::int64_t from, Duration duration) noexcept {
  constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
  if (duration.is_forever()) return kEnd;
  const std::int64_t length = std::max<std::int64_t>(duration.nanoseconds().count() / 1000, 1);
  return length > kEnd - from ? kEnd : from + length;
}

}  // namespace dcache::locking
