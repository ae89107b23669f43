// SPDX-License-Identifier: Apache-2.0
#include "locks/access.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "dcache/error.hpp"
#include "locks/record_json.hpp"
#include "platform/clock.hpp"

namespace dcache::locking {

namespace {

constexpr std::size_t kShownKey = 200;

struct Ids {
  std::int64_t pid = 0;
  std::int64_t tid = 0;
};

Ids ids_of(const std::string& owner) {
  Ids ids;
  const char* const end = owner.data() + owner.size();
  const auto pid = std::from_chars(owner.data(), end, ids.pid);
  if (pid.ptr != end) std::from_chars(pid.ptr + 1, end, ids.tid);
  return ids;
}

}  // namespace

std::string name_of(std::string_view key) { return "lock '" + escape(key, kShownKey) + "'"; }

Store& store_for(const detail::CacheState& state, std::string_view key, Inside inside) {
  Store& store = state.store();
  if (inside == Inside::refused && store.in_transaction()) {
    throw Misuse(name_of(key) +
                 ": a lock cannot be taken, released or asked about inside "
                 "Cache::transact; take it before");
  }
  return store;
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

Changed change_record(Store& store, const detail::CacheState& state, std::string_view key,
                      FunctionRef<Result(const std::optional<LockRecord>&, std::uint64_t)> event,
                      Deadline deadline) {
  Changed changed;
  Result& result = changed.result;
  store.update_record(
      Space::locks, key,
      [&](const std::string* old, std::uint64_t number) -> RecordChange {
        result = event(read_record(old, key, state), number);
        changed.bytes.clear();
        if (!result.changed) return {};
        if (!result.record) return {.kind = RecordChange::Kind::erase, .fence_used = result.number_used};
        std::string stored = print(*result.record);
        if (result.record->holders.size() == 1 && result.record->waiters.empty()) changed.bytes = stored;
        return {
            .kind = RecordChange::Kind::put, .bytes = std::move(stored), .fence_used = result.number_used};
      },
      deadline);
  for (const Agent& agent : result.wake) store.wake(agent.session, agent.agent);
  return changed;
}

Holder describe(const Hold& hold, Store& store) {
  const Ids ids = ids_of(hold.owner);
  Holder holder;
  holder.owner = hold.owner;
  holder.pid = ids.pid;
  holder.tid = ids.tid;
  holder.command = store.command(hold.who.session);
  holder.session = hold.who.session;
  holder.agent = hold.who.agent;
  holder.count = hold.count;
  holder.fence = hold.fence;
  holder.since = Timestamp::from_unix_nanoseconds(hold.since * 1000);
  if (hold.lease) {
    holder.lease_left = std::chrono::microseconds(*hold.lease - (hold.keep ? wall_us() : boottime_us()));
  }
  holder.keep = hold.keep;
  holder.label = hold.label;
  holder.tags = hold.tags;
  holder.state = store.alive(hold.who.session);
  return holder;
}

Waiter describe(const Wait& wait, Store& store) {
  const Ids ids = ids_of(wait.owner);
  Waiter waiter;
  waiter.owner = wait.owner;
  waiter.pid = ids.pid;
  waiter.tid = ids.tid;
  waiter.command = store.command(wait.who.session);
  waiter.session = wait.who.session;
  waiter.agent = wait.who.agent;
  waiter.waited = std::chrono::microseconds(std::max<std::int64_t>(boottime_us() - wait.since, 0));
  waiter.fair = wait.fair;
  waiter.late = wait.late;
  waiter.state = store.alive(wait.who.session);
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
