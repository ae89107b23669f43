// SPDX-License-Identifier: Apache-2.0
#include "locks/access.hpp"

#include <charconv>

#include "dcache/error.hpp"
#include "locks/record_json.hpp"
#include "platform/clock.hpp"

namespace dcache::locking {

Store& store_for(const detail::CacheState& state, std::string_view key, Inside inside) {
  Store& store = state.store();
  if (inside == Inside::refused && store.in_transaction()) {
    throw Misuse("lock '" + escape(key, 200) +
                 "': a lock cannot be taken, released or asked about inside "
                 "Cache::transact; take it before");
  }
  return store;
}

std::optional<LockRecord> read_record(const std::string* bytes, std::string_view key,
                                      const detail::CacheState& state) {
  if (bytes == nullptr) return std::nullopt;
  std::optional<LockRecord> record = parse(*bytes);
  if (!record) {
    throw Corrupt(
        "the record of lock '" + escape(key, 200) + "' in '" + escape(state.directory().native()) +
        "' is damaged or of a newer version, so nobody can have it; clear it with force if no holder runs");
  }
  return record;
}

Result change_record(Store& store, const detail::CacheState& state, std::string_view key,
                     FunctionRef<Result(const std::optional<LockRecord>&, std::uint64_t)> event,
                     Deadline deadline) {
  Result result;
  store.update_record(
      Space::locks, key,
      [&](const std::string* old, std::uint64_t fence) -> RecordChange {
        result = event(read_record(old, key, state), fence);
        if (!result.changed) return {};
        if (!result.record) return {.kind = RecordChange::Kind::erase, .fence_used = result.fence_used};
        return {
            .kind = RecordChange::Kind::put, .bytes = print(*result.record), .fence_used = result.fence_used};
      },
      deadline);
  return result;
}

Holder describe(const Hold& hold, Store& store) {
  Holder holder;
  holder.owner = hold.owner;
  const char* const end = hold.owner.data() + hold.owner.size();
  const auto pid = std::from_chars(hold.owner.data(), end, holder.pid);
  if (pid.ptr != end) std::from_chars(pid.ptr + 1, end, holder.tid);
  holder.session = hold.who.session;
  holder.agent = hold.who.agent;
  holder.count = hold.count;
  holder.fence = hold.fence;
  holder.since = Timestamp::from_unix_nanoseconds(hold.since * 1000);
  if (hold.lease) holder.lease_left = std::chrono::microseconds(*hold.lease - boottime_us());
  holder.label = hold.label;
  holder.tags = hold.tags;
  holder.state = store.alive(hold.who.session);
  return holder;
}

std::int64_t boottime_us() noexcept { return platform::boottime_ns() / 1000; }

}  // namespace dcache::locking
