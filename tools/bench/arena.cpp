// SPDX-License-Identifier: Apache-2.0
#include "arena.hpp"

#include <algorithm>

#include "support.hpp"

namespace bench {

namespace {

constexpr std::size_t kTransactionSets = 100;

constexpr std::size_t kFewestSlices = 4;

constexpr std::size_t kFew = 1000;

constexpr std::size_t kManyEntries = 2'000'000;
constexpr std::size_t kWarmOfMany = 200'000;

/// From this size on a slice has fewer operations.
constexpr std::size_t kLargeValue = 4096;

}  // namespace

std::vector<Work> works() {
  const auto undo_new = [](Rival& side, Chosen keys, Values&) { side.erase_all(keys); };
  const auto undo_erase = [](Rival& side, Chosen keys, Values& values) { side.set_all(keys, values); };
  const auto get = [](Rival& side, Chosen keys, Values&) {
    for (const std::string_view key : keys) static_cast<void>(side.get(key));
  };
  const auto set = [](Rival& side, Chosen keys, Values& values) {
    for (const std::string_view key : keys) side.set(key, values.next());
  };
  const auto erase = [](Rival& side, Chosen keys, Values&) {
    for (const std::string_view key : keys) static_cast<void>(side.erase(key));
  };
  const auto add_erase = [](Rival& side, Chosen keys, Values& values) {
    for (const std::string_view key : keys) {
      static_cast<void>(side.add(key, values.next()));
      static_cast<void>(side.erase(key));
    }
  };
  // What a cache is used for: much reading, some writing, which makes others' page caches stale.
  const auto mixed = [](Rival& side, Chosen keys, Values& values) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i % 10 == 0) {
        side.set(keys[i], values.next());
      } else {
        static_cast<void>(side.get(keys[i]));
      }
    }
  };
  const auto set_all = [](Rival& side, Chosen keys, Values& values) {
    for (std::size_t at = 0; at < keys.size(); at += kTransactionSets) {
      side.set_all(keys.subspan(at, kTransactionSets), values);
    }
  };
  const auto incr = [](Rival& side, Chosen keys, Values&) {
    for (const std::string_view key : keys) static_cast<void>(side.incr(key));
  };
  const auto lock = [](Rival& side, Chosen keys, Values&) {
    for (std::size_t i = 0; i < keys.size(); ++i) side.lock_pair();
  };
  const auto rlock = [](Rival& side, Chosen keys, Values&) {
    for (std::size_t i = 0; i < keys.size(); ++i) side.rlock_pair();
  };
  const auto queue = [](Rival& side, Chosen keys, Values& values) {
    for (const std::string_view key : keys) side.queue_pair(key, values.next());
  };
  const auto lease = [](Rival& side, Chosen keys, Values& values) {
    for (const std::string_view key : keys) side.lease_pair(key, values.next());
  };
  return {
      {.name = "get", .slice = 4000, .run = get, .warm = true},
      {.name = "get hot", .on = On::few, .slice = 4000, .run = get, .warm = true},
      {.name = "miss", .on = On::absent, .slice = 4000, .run = get},
      {.name = "set new", .on = On::absent, .run = set, .undo = undo_new},
      {.name = "set overwrite", .run = set},
      {.name = "erase", .run = erase, .undo = undo_erase},
      {.name = "add + erase", .on = On::absent, .slice = 500, .run = add_erase},
      {.name = "100 sets, 1 tx", .slice = 1000, .run = set_all, .each = kTransactionSets},
      {.name = "9 gets, 1 set", .slice = 2000, .run = mixed, .each = 10},
      {.name = "incr", .on = On::counters, .sized = false, .run = incr},
      {.name = "push + pull", .on = On::absent, .slice = 500, .run = queue},
      {.name = "push, lease, ack", .on = On::absent, .slice = 500, .run = lease},
      {.name = "lock + unlock", .slice = 500, .sized = false, .run = lock},
      {.name = "rlock + unlock", .slice = 500, .sized = false, .run = rlock},
  };
}

Arena::Arena(const std::filesystem::path& directory, std::size_t entries, std::size_t value_size,
             const dcache::Options& options)
    : directory_(directory),
      random_(entries),
      present_(random_keys(entries, random_)),
      few_(present_.begin(), present_.begin() + static_cast<std::ptrdiff_t>(std::min(kFew, entries))),
      absent_(random_keys(1000, random_)),
      counters_(random_keys(100, random_)),
      values_(value_size),
      large_(value_size >= kLargeValue),
      raw_(make_raw(directory)),
      ours_(make_dcache(directory, options)) {
  std::vector<std::string_view> keys(present_.begin(), present_.end());
  // Of so many any other order takes an hour. Raw SQLite's pages are fuller then than they would be.
  if (entries > kManyEntries) std::sort(keys.begin(), keys.end());
  const std::size_t batch = std::max<std::size_t>(1000, entries / 100);
  for (std::size_t at = 0; at < entries; at += batch) {
    const auto next = Chosen(keys).subspan(at, std::min(batch, entries - at));
    for (Rival* side : {raw_.get(), ours_.get()}) side->set_all(next, values_);
  }
}

void Arena::reopen(const dcache::Options& options) {
  ours_.reset();
  ours_ = make_dcache(directory_, options);
}

void Arena::prepare(const Work& work, Sides sides) {
  if (!work.warm) return;
  const std::vector<std::string>& all = keys_for(work.on);
  const std::size_t number = all.size() > kManyEntries ? kWarmOfMany : all.size();
  const std::vector<std::string_view> keys(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(number));
  if (sides != Sides::ours) work.run(*raw_, keys, values_);
  if (sides != Sides::raw) work.run(*ours_, keys, values_);
}

void Arena::run(const Work& work, double seconds, Times& times, Sides sides) {
  const std::size_t slice_size = work.sized && large_ ? work.slice / 5 : work.slice;
  double raw = 0;
  double ours = 0;
  std::size_t slices = 0;
  // An even number of slices, so that each side is as often the first.
  for (const Stopwatch all; slices % 2 == 1 || slices < kFewestSlices || all.seconds() < seconds; ++slices) {
    const std::vector<std::string_view> keys = choose(keys_for(work.on), slice_size, random_);
    const bool raw_first = slices % 2 == 0;
    if (raw_first && sides != Sides::ours) raw += slice(work, *raw_, keys);
    if (sides != Sides::raw) ours += slice(work, *ours_, keys);
    if (!raw_first && sides != Sides::ours) raw += slice(work, *raw_, keys);
  }
  const auto count = static_cast<double>(slices * slice_size / work.each);
  times.raw.push_back(raw / count);
  times.ours.push_back(ours / count);
  times.ratios.push_back(raw > 0 ? ours / raw : 0);
}

double Arena::slice(const Work& work, Rival& side, Chosen keys) {
  const Stopwatch watch;
  work.run(side, keys, values_);
  const double time = watch.microseconds();
  if (work.undo) work.undo(side, keys, values_);
  return time;
}

const std::vector<std::string>& Arena::keys_for(On on) const {
  switch (on) {
    case On::few:
      return few_;
    case On::absent:
      return absent_;
    case On::counters:
      return counters_;
    case On::present:
      break;
  }
  return present_;
}

}  // namespace bench
