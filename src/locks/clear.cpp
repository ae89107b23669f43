// SPDX-License-Identifier: Apache-2.0
//
// Looking at locks from outside, and clearing them.
#include <algorithm>

#include "cache/limits.hpp"
#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "locks/access.hpp"
#include "locks/log.hpp"
#include "locks/record_json.hpp"

namespace dcache {

namespace {

bool selected(const LockInfo& info, const std::vector<std::string>& tags) {
  return std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) {
    return std::any_of(info.holders.begin(), info.holders.end(), [&](const Holder& holder) {
      return std::find(holder.tags.begin(), holder.tags.end(), tag) != holder.tags.end();
    });
  });
}

/// The owner of the grant with that fence, if it has not ended.
std::optional<std::string> live_holder(const std::optional<locking::LockRecord>& record,
                                       std::optional<std::uint64_t> fence, const locking::World& world) {
  if (!record || !fence) return std::nullopt;
  for (const locking::Hold& hold : record->holders) {
    if (hold.fence == *fence && !locking::ended(hold, world)) return hold.owner;
  }
  return std::nullopt;
}

}  // namespace

std::vector<LockInfo> locks(const Cache& cache, const LockFilter& filter) {
  const detail::CacheState& state = *cache.state();
  Store& store = state.store();
  const std::vector<std::string> tags = checked_tags(filter.tags);
  const std::int64_t now = locking::boottime_us();
  std::vector<LockInfo> found;
  locking::for_each_record(store, [&](const Record& stored) {
    if (!stored.key.starts_with(filter.prefix)) return;
    const std::optional<locking::LockRecord> record = locking::parse(stored.bytes);
    LockInfo info{.key = stored.key, .kind = "damaged", .holders = {}};
    if (record) {
      info.kind = locking::name(record->kind);
      for (const locking::Hold& hold : record->holders)
        info.holders.push_back(locking::describe(hold, store));
      for (const locking::Wait& wait : record->waiters)
        info.waiters.push_back(locking::describe(wait, now, store));
    }
    if (selected(info, tags)) found.push_back(std::move(info));
  });
  return found;
}

std::string_view name(LockMode mode) noexcept {
  return mode == LockMode::shared ? "shared" : mode == LockMode::permits ? "permits" : "exclusive";
}

int proof_of_life(const Cache& cache) {
  const int descriptor = cache.state()->store().proof_of_life();
  if (descriptor < 0) throw Unsupported("a cache in memory has no proof of life that a child could inherit");
  return descriptor;
}

Cleared clear_lock(Cache& cache, ByteView key, const ClearOptions& options) {
  check_key(key.view());
  const detail::CacheState& state = *cache.state();
  Store& store = locking::store_for(state, key.view());
  Cleared cleared = Cleared::absent;
  locking::Result result;
  std::optional<std::string> robbed;
  store.update_record(
      Space::locks, key.view(),
      [&](const std::string* old, std::uint64_t number) -> RecordChange {
        // A damaged record has no fence to ask for, so force alone must do.
        const auto record = old != nullptr ? locking::parse(*old) : std::nullopt;
        if (old != nullptr && !record) {
          cleared = options.force ? Cleared::cleared : Cleared::refused;
          return {.kind = options.force ? RecordChange::Kind::erase : RecordChange::Kind::keep};
        }
        const locking::World world = locking::world_of(store);
        robbed = options.force ? live_holder(record, options.fence, world) : std::nullopt;
        result = locking::clear(record, options.fence, options.force, number, world);
        cleared = result.outcome == locking::Outcome::cleared   ? Cleared::cleared
                  : result.outcome == locking::Outcome::refused ? Cleared::refused
                                                                : Cleared::absent;
        return locking::change_of(result);
      },
      locking::deadline_after(state.options().timeout));
  if (robbed) locking::log_event(state, LockEvent::Kind::cleared, key.view(), *options.fence, *robbed);
  return cleared;
}

}  // namespace dcache
