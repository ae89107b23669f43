// SPDX-License-Identifier: Apache-2.0
//
// Removing and counting many values, in steps short enough that others need not notice, and the size limit.
#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "store/memory/memory_store.hpp"

namespace dcache::store::memory {

namespace {

/// Rows looked at in one step.
constexpr std::size_t kRowsAStep = 200;

/// Rows asked of the table at a time where the number of those needed is not known.
constexpr std::size_t kRowsAtOnce = 16;

constexpr Table::Expiry kBeforeAll{Timestamp::from_unix_nanoseconds(std::numeric_limits<std::int64_t>::min()),
                                   0};

bool has_all(const Item& item, const std::vector<std::string>& tags) {
  return std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) { return item.has_tag(tag); });
}

/// Whether a value was stored behind `newest` or after `start`. One of a later time than now was stored
/// before the clock was set back.
bool is_newer(const Item& item, std::uint64_t newest, Timestamp start) {
  return item.version > newest || (item.stored > start && item.stored <= platform::now());
}

/// Calls `take(found)` for what the writer sees of what has expired, until that returns false.
template <class Take>
void walk_expired(const Table& values, Timestamp now, Take take) {
  for (Table::Expiry after = kBeforeAll;;) {
    const std::vector<Table::Expiry> some = values.expiring_beyond(after, now, kRowsAtOnce);
    for (const Table::Expiry& row : some) {
      const Table::Found found = values.at(row.second, View::writer);
      if (found.item != nullptr && found.item->expires == row.first && !take(found)) return;
    }
    if (some.size() < kRowsAtOnce) return;
    after = some.back();
  }
}

/// The same for all in order of insertion.
template <class Take>
void walk_oldest(const Table& values, Take take) {
  for (std::uint64_t after = 0;;) {
    const Table::Places some = values.beyond(after, Table::Direction::up, kRowsAtOnce);
    for (const std::uint64_t place : some) {
      const Table::Found found = values.at(place, View::writer);
      if (found.item != nullptr && !take(found)) return;
    }
    if (some.size() < kRowsAtOnce) return;
    after = some.back();
  }
}

}  // namespace

std::uint64_t MemoryStore::in_steps(FunctionRef<More(Table&, std::uint64_t&)> some,
                                    const OnProgress& on_progress) {
  std::uint64_t removed = 0;
  for (More more = More::yes; more == More::yes;) {
    {
      platform::MutexLock lock(mutex_);
      Step step = start_step();
      step.changing();
      more = some(contents_.values, removed);
      step.commit();
    }
    if (on_progress) on_progress(removed, 0);
  }
  return removed;
}

std::uint64_t MemoryStore::evict(const Tags& tags, Match match, Timestamp start,
                                 const OnProgress& on_progress) {
  const std::vector<std::string>& names = tags.names();
  if (names.empty()) return 0;
  std::uint64_t newest = 0;
  {
    platform::MutexLock lock(mutex_);
    newest = contents_.values.newest();
  }
  // With `all`, whatever is selected has the first tag.
  const std::size_t to_walk = match == Match::all ? 1 : names.size();
  std::size_t at = 0;
  std::uint64_t after = 0;
  return in_steps(
      [&](Table& values, std::uint64_t& removed) {
        const Table::Places places = values.tagged_beyond(names[at], after, kRowsAStep);
        for (const std::uint64_t place : places) {
          after = place;
          const Table::Found found = values.at(place, View::writer);
          if (found.item == nullptr || is_newer(*found.item, newest, start) ||
              !found.item->has_tag(names[at]))
            continue;
          if (match == Match::all && !has_all(*found.item, names)) continue;
          values.erase(*found.key);
          ++removed;
        }
        if (places.size() == kRowsAStep) return More::yes;
        after = 0;
        return ++at < to_walk ? More::yes : More::no;
      },
      on_progress);
}

std::uint64_t MemoryStore::clear(Timestamp start, const OnProgress& on_progress) {
  std::uint64_t newest = 0;
  {
    platform::MutexLock lock(mutex_);
    newest = contents_.values.newest();
  }
  std::uint64_t after = 0;
  return in_steps(
      [&](Table& values, std::uint64_t& removed) {
        for (const std::uint64_t place : values.beyond(after, Table::Direction::up, kRowsAStep)) {
          if (place > newest) return More::no;
          after = place;
          const Table::Found found = values.at(place, View::writer);
          if (found.item == nullptr || is_newer(*found.item, newest, start)) continue;
          values.erase(*found.key);
          ++removed;
        }
        return values.beyond(after, Table::Direction::up, 1).empty() ? More::no : More::yes;
      },
      on_progress);
}

std::uint64_t MemoryStore::expire() {
  const Timestamp start = platform::now();
  Table::Expiry after = kBeforeAll;
  return in_steps([&](Table& values, std::uint64_t& removed) {
    const std::vector<Table::Expiry> rows = values.expiring_beyond(after, start, kRowsAStep);
    for (const Table::Expiry& row : rows) {
      after = row;
      const Table::Found found = values.at(row.second, View::writer);
      if (found.item == nullptr || found.item->expires != row.first) continue;
      values.erase(*found.key);
      ++removed;
    }
    return rows.size() == kRowsAStep ? More::yes : More::no;
  });
}

/// Expired values go by themselves while others are stored: a few of them, at one write in 32.
void MemoryStore::sweep_now_and_then(Timestamp now) {
  constexpr std::uint32_t kPeriod = 32;
  constexpr std::size_t kAtMost = 64;
  if (++puts_ % kPeriod != 0) return;
  std::vector<std::string_view> to_go;
  walk_expired(contents_.values, now, [&](const Table::Found& found) {
    to_go.push_back(*found.key);
    return to_go.size() < kAtMost;
  });
  for (const std::string_view key : to_go) contents_.values.erase(key);
}

std::uint64_t MemoryStore::cull() {
  const std::uint64_t expired = expire();
  const Settings now = own_part(settings());
  if (now.size_limit == 0 || now.policy == Policy::none) return expired;
  // Runs under the mutex, as all that in_steps is given.
  return expired + in_steps([&](Table& values, std::uint64_t& removed) DCACHE_TSA(no_thread_safety_analysis) {
           std::uint64_t excess = values.totals(View::writer).cost;
           std::set<std::string_view> to_go;
           const auto enough = [&] { return excess <= now.size_limit || to_go.size() == kRowsAStep; };
           const auto take = [&](const Table::Found& found) {
             if (enough()) return false;
             if (to_go.insert(*found.key).second) excess -= cost(*found.key, *found.item);
             return true;
           };
           walk_least_used(enough, take);
           walk_oldest(values, take);
           for (const std::string_view key : to_go) values.erase(key);
           removed += to_go.size();
           return excess > now.size_limit && !to_go.empty() ? More::yes : More::no;
         });
}

board::Visits* MemoryStore::visits() {
  const Settings settings = own_part(*contents_.settings.seen(View::writer));
  if (settings.size_limit == 0 || !board::goes_by_visits(settings.policy)) return nullptr;
  const std::size_t slots = board::Visits::slots_for(settings.policy, settings.size_limit);
  if (visits_ == nullptr || !visits_->serves(settings.policy, slots))
    visits_ = std::make_unique<board::Visits>(settings.policy, slots);
  return visits_.get();
}

void MemoryStore::note_used(const Item& item) {
  if (visits_ != nullptr) visits_->used(item.place);
}

/// Those among which the policy chooses next.
Table::Places MemoryStore::candidates(board::Visits& visits) const {
  const Table& values = contents_.values;
  if (visits.policy() == Policy::sieve) {
    Table::Places next = values.beyond(visits.hand(), Table::Direction::up, kRowsAtOnce);
    if (next.empty()) visits.move_hand(0);
    return next;
  }
  Table::Places sample = values.beyond(visits.hand(), Table::Direction::up, board::kPlacesARun);
  visits.move_hand(sample.size() < board::kPlacesARun ? 0 : sample.back());
  const Table::Places oldest = values.beyond(0, Table::Direction::up, 1);
  const std::uint64_t first = oldest.empty() ? 0 : oldest.front() - 1;
  for (std::size_t run = 1; run < board::kRunsASample; ++run) {
    for (const std::uint64_t place :
         values.beyond(board::random_place(first, values.newest()), Table::Direction::up, board::kPlacesARun))
      sample.push_back(place);
  }
  return sample;
}

/// Calls `take(found)` for one after another that is to go by its use, until there are enough, or it has
/// looked for long.
template <class Enough, class Take>
void MemoryStore::walk_least_used(Enough enough, Take take) {
  board::Visits* const visits = this->visits();
  if (visits == nullptr) return;
  const Table& values = contents_.values;
  std::set<std::uint64_t> gone;
  const std::uint64_t most = 3 * (values.totals(View::writer).entries / kRowsAtOnce + 1);
  for (std::uint64_t tries = 0; tries < most && !enough();) {
    Table::Places some = candidates(*visits);
    const std::uint64_t last = some.empty() ? 0 : some.back();
    std::erase_if(some, [&](std::uint64_t place) {
      return gone.contains(place) || values.at(place, View::writer).item == nullptr;
    });
    const std::optional<std::size_t> victim = visits->victim(some);
    if (!victim) {
      if (some.empty() && last != 0) visits->move_hand(last);
      ++tries;
      continue;
    }
    gone.insert(some[*victim]);
    take(values.at(some[*victim], View::writer));
  }
}

/// The keys that must go so that `item` fits under `key`: what has expired, then by policy. Throws Full.
std::vector<std::string_view> MemoryStore::victims(std::string_view key, const Item& item, Timestamp now) {
  std::vector<std::string_view> to_go;
  std::set<std::string_view> taken;
  const Settings settings = own_part(*contents_.settings.seen(View::writer));
  if (settings.size_limit == 0) return to_go;
  const Table& values = contents_.values;
  const std::uint64_t needed = cost(key, item);
  std::uint64_t total = values.totals(View::writer).cost + needed;
  if (const Item* const old = values.find(key, View::writer)) total -= cost(key, *old);
  const bool inside = in_transaction();
  const Timestamp begun = begun_;
  const auto take = [&](const Table::Found& found) {
    if (total <= settings.size_limit) return false;
    if (*found.key == key) return true;
    // What the open transaction has stored stays.
    if (inside && found.item->stored >= begun && found.item->stored <= now) return true;
    if (!taken.insert(*found.key).second) return true;
    to_go.push_back(*found.key);
    total -= cost(*found.key, *found.item);
    return true;
  };
  if (needed <= settings.size_limit) {
    walk_expired(values, now, take);
    if (settings.policy != Policy::none) {
      // All that has expired was taken before the first live one is.
      const auto take_live = [&](const Table::Found& found) { return !found.item->live(now) || take(found); };
      walk_least_used([&] { return total <= settings.size_limit; }, take_live);
      walk_oldest(values, take_live);
    }
  }
  if (total > settings.size_limit) {
    throw Full("cannot store key '" + escape(key, 200) + "' in 'memory:': with its " +
               std::to_string(needed) + " bytes the cache would outgrow its size limit of " +
               std::to_string(settings.size_limit) + "; raise Settings::size_limit or remove something");
  }
  return to_go;
}

std::uint64_t MemoryStore::size() {
  platform::MutexLock lock(mutex_);
  return contents_.values.totals(view()).entries - contents_.values.expired(platform::now(), view());
}

std::uint64_t MemoryStore::bytes() {
  platform::MutexLock lock(mutex_);
  return contents_.values.totals(view()).cost;
}

Settings MemoryStore::settings() {
  platform::MutexLock lock(mutex_);
  return *contents_.settings.seen(view());
}

void MemoryStore::change_settings(FunctionRef<void(Settings&)> change) {
  for (;;) {
    // `change` is the caller's code, so nothing is held while it runs.
    const Settings seen = settings();
    Settings wanted = seen;
    change(wanted);
    platform::MutexLock lock(mutex_);
    Step step = start_step();
    Versioned<Settings>& settings = contents_.settings;
    const Settings now = *settings.seen(View::writer);
    if (now.size_limit != seen.size_limit || now.policy != seen.policy) continue;
    step.changing();
    settings.pending = wanted;
    settings.changed = true;
    step.commit();
    return;
  }
}

std::vector<std::string> MemoryStore::tags() {
  platform::MutexLock lock(mutex_);
  return contents_.values.tags(view());
}

Stats MemoryStore::stats() {
  const Timestamp now = platform::now();
  Stats stats;
  {
    platform::MutexLock lock(mutex_);
    const Table::Totals& totals = contents_.values.totals(view());
    stats.expired = contents_.values.expired(now, view());
    stats.entries = totals.entries - stats.expired;
    stats.value_bytes = totals.value_bytes;
    for (const auto& row : contents_.values.rows()) {
      const Item* const item = row.second.seen(view());
      if (item == nullptr || !item->live(now)) continue;
      if (!stats.oldest || item->stored < *stats.oldest) stats.oldest = item->stored;
      if (!stats.newest || item->stored > *stats.newest) stats.newest = item->stored;
    }
    stats.tags = contents_.values.tags(view()).size();
    if (const auto locks = contents_.records.find(Space::locks); locks != contents_.records.end()) {
      const auto& rows = locks->second.rows();
      stats.locks = static_cast<std::uint64_t>(std::count_if(
          rows.begin(), rows.end(), [&](const auto& row) { return row.second.seen(view()) != nullptr; }));
    }
  }
  stats.hits = hits_.load(std::memory_order_relaxed);
  stats.misses = misses_.load(std::memory_order_relaxed);
  stats.board = true;
  stats.engine = "memory";
  return stats;
}

}  // namespace dcache::store::memory
