// SPDX-License-Identifier: Apache-2.0
#include "locks/record.hpp"

#include <algorithm>
#include <utility>

namespace dcache::locking {

namespace {

Result unchanged(Outcome outcome, const std::optional<LockRecord>& record) {
  return {.outcome = outcome, .changed = false, .record = record, .fence_used = false, .owner_died = false};
}

Result grant(Kind kind, const Hold& wish, bool owner_died) {
  LockRecord record{.kind = kind, .fence = wish.fence, .holders = {wish}};
  return {.outcome = Outcome::granted,
          .changed = true,
          .record = std::move(record),
          .fence_used = true,
          .owner_died = owner_died};
}

}  // namespace

bool ended(const Hold& hold, const World& world) {
  if (hold.lease && *hold.lease <= world.boottime_us) return true;
  return world.alive(hold.who.session) == Liveness::dead;
}

Result acquire(const std::optional<LockRecord>& record, Kind kind, const Hold& wish, const World& world) {
  if (!record || record->holders.empty()) return grant(kind, wish, false);
  const Hold& holder = record->holders.front();
  if (ended(holder, world)) return grant(kind, wish, true);
  if (holder.who != wish.who) return unchanged(Outcome::busy, record);
  if (kind != Kind::rlock || record->kind != Kind::rlock) return unchanged(Outcome::mine, record);
  LockRecord deeper = *record;
  ++deeper.holders.front().count;
  return {.outcome = Outcome::again, .changed = true, .record = std::move(deeper)};
}

Result release(const std::optional<LockRecord>& record, const Agent& who,
               std::optional<std::uint64_t> fence) {
  const Outcome not_held = fence ? Outcome::lost : Outcome::not_owner;
  if (!record || record->holders.empty()) return unchanged(not_held, record);
  const Hold& holder = record->holders.front();
  if (holder.who != who || (fence && holder.fence != *fence)) return unchanged(not_held, record);
  if (holder.count > 1) {
    LockRecord shallower = *record;
    --shallower.holders.front().count;
    return {.outcome = Outcome::shallower, .changed = true, .record = std::move(shallower)};
  }
  return {.outcome = Outcome::released, .changed = true, .record = std::nullopt};
}

Result clear(const std::optional<LockRecord>& record, std::optional<std::uint64_t> fence, bool force,
             const World& world) {
  if (!record) return unchanged(Outcome::absent, record);
  if (fence && record->fence != *fence) return unchanged(Outcome::refused, record);
  const bool all_ended = std::all_of(record->holders.begin(), record->holders.end(),
                                     [&](const Hold& hold) { return ended(hold, world); });
  if (!all_ended && !(fence && force)) return unchanged(Outcome::refused, record);
  return {.outcome = Outcome::cleared, .changed = true, .record = std::nullopt};
}

}  // namespace dcache::locking
