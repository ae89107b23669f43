// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing single values. Bytes are copied before or after the mutex is held, not meanwhile.
#include <algorithm>
#include <utility>

#include "platform/clock.hpp"
#include "store/memory/entries.hpp"
#include "store/memory/memory_store.hpp"

namespace dcache::store::memory {

namespace {

/// What goes through a source or a sink at a time.
constexpr std::size_t kPart = std::size_t{64} << 10;

/// A value of more bytes is not shown to the function of an update.
constexpr std::size_t kShownToUpdate = std::size_t{32} << 10;

Item item_of(const NewValue& value, std::string bytes, Timestamp now) {
  Item item;
  item.bytes = std::make_shared<const std::string>(std::move(bytes));
  item.expires = value.expires;
  item.tags.assign(value.tags.begin(), value.tags.end());
  item.stored = now;
  item.format = value.format;
  return item;
}

Item item_of(const NewValue& value, Timestamp now) { return item_of(value, std::string(value.bytes), now); }

}  // namespace

std::optional<Item> MemoryStore::find_live(std::string_view key) {
  platform::MutexLock lock(mutex_);
  const Item* const item = contents_.values.find(key, view());
  if (item == nullptr || !item->live(platform::now())) return std::nullopt;
  note_used(*item);
  return *item;
}

std::optional<std::string> MemoryStore::get(std::string_view key) {
  std::shared_ptr<const std::string> bytes;
  {
    platform::MutexLock lock(mutex_);
    const Item* const item = contents_.values.find(key, view());
    if (item != nullptr && item->live(platform::now())) {
      bytes = item->bytes;
      note_used(*item);
    }
  }
  (bytes != nullptr ? hits_ : misses_).fetch_add(1, std::memory_order_relaxed);
  if (bytes == nullptr) return std::nullopt;
  return *bytes;
}

bool MemoryStore::get_to(std::string_view key, Sink sink) {
  const std::optional<Item> item = find_live(key);
  if (!item) return false;
  for (std::string_view left = *item->bytes; !left.empty();
       left.remove_prefix(std::min(kPart, left.size()))) {
    sink(left.substr(0, kPart));
  }
  return true;
}

std::optional<Entry> MemoryStore::entry(std::string_view key) {
  const std::optional<Item> item = find_live(key);
  if (!item) return std::nullopt;
  return entry_of(key, *item, true);
}

bool MemoryStore::contains(std::string_view key) {
  platform::MutexLock lock(mutex_);
  const Item* const item = contents_.values.find(key, view());
  return item != nullptr && item->live(platform::now());
}

void MemoryStore::store(Step& step, std::string_view key, Item item, Timestamp now) {
  // What does not fit counts as a failure of the whole, in a transaction, although nothing has changed yet.
  step.changing();
  const std::vector<std::string_view> to_go = victims(key, item, now);
  for (const std::string_view victim : to_go) contents_.values.erase(victim);
  board::Visits* const visits = this->visits();
  const bool anew = visits != nullptr && contents_.values.find(key, View::writer) == nullptr;
  contents_.values.put(key, std::move(item),
                       has_siblings() ? Table::Versions::by_clock : Table::Versions::dense);
  if (visits == nullptr) return;
  const std::uint64_t place = contents_.values.find(key, View::writer)->place;
  anew ? visits->stored(place) : visits->used(place);
}

bool MemoryStore::put_item(std::string_view key, Item item, Put mode, const Guard* guard) {
  platform::MutexLock lock(mutex_);
  Step step = start_step();
  obey(guard);
  const Timestamp now = platform::now();
  if (mode == Put::if_absent) {
    const Item* const old = contents_.values.find(key, View::writer);
    if (old != nullptr && old->live(now)) return false;
  }
  item.stored = now;
  store(step, key, std::move(item), now);
  sweep_now_and_then(now);
  step.commit();
  return true;
}

bool MemoryStore::put(std::string_view key, const NewValue& value, Put mode) {
  return put_item(key, item_of(value, {}), mode, value.guard);
}

void MemoryStore::put_from(std::string_view key, const NewValue& value, Source source) {
  std::string bytes;
  for (std::size_t end = 0;;) {
    bytes.resize(end + kPart);
    const std::size_t got = source(bytes.data() + end, kPart);
    end += got;
    if (got > 0) continue;
    bytes.resize(end);
    bytes.shrink_to_fit();
    break;
  }
  put_item(key, item_of(value, std::move(bytes), {}), Put::always, value.guard);
}

bool MemoryStore::erase(std::string_view key, const Guard* guard) {
  platform::MutexLock lock(mutex_);
  Step step = start_step();
  obey(guard);
  const Item* const old = contents_.values.find(key, View::writer);
  if (old == nullptr) return false;
  const bool live = old->live(platform::now());
  step.changing();
  contents_.values.erase(key);
  step.commit();
  return live;
}

std::optional<Entry> MemoryStore::pop(std::string_view key, const Guard* guard) {
  std::optional<Item> item;
  {
    platform::MutexLock lock(mutex_);
    Step step = start_step();
    obey(guard);
    const Item* const old = contents_.values.find(key, View::writer);
    if (old == nullptr || !old->live(platform::now())) return std::nullopt;
    item = *old;
    step.changing();
    contents_.values.erase(key);
    step.commit();
  }
  return entry_of(key, *item, true);
}

bool MemoryStore::replace(std::string_view key, std::string_view expected, const NewValue& desired) {
  Item item = item_of(desired, {});
  platform::MutexLock lock(mutex_);
  Step step = start_step();
  obey(desired.guard);
  const Timestamp now = platform::now();
  const Item* const old = contents_.values.find(key, View::writer);
  if (old == nullptr || !old->live(now) || *old->bytes != expected) return false;
  item.stored = now;
  store(step, key, std::move(item), now);
  step.commit();
  return true;
}

void MemoryStore::update(std::string_view key, FunctionRef<Change(const Entry*)> f, const Guard* guard) {
  platform::MutexLock lock(mutex_);
  Step step = start_step();
  obey(guard);
  const Timestamp now = platform::now();
  const Item* const old = contents_.values.find(key, View::writer);
  std::optional<Entry> entry;
  if (old != nullptr && old->live(now)) entry = entry_of(key, *old, old->bytes->size() <= kShownToUpdate);
  const Change change = f(entry ? &*entry : nullptr);
  switch (change.kind) {
    case Change::Kind::keep:
      return;
    case Change::Kind::put:
      store(step, key, item_of(change.value, now), now);
      break;
    case Change::Kind::retime:
      if (!entry) return;
      step.changing();
      contents_.values.retime(key, change.value.expires);
      break;
    case Change::Kind::erase:
      step.changing();
      contents_.values.erase(key);
      break;
  }
  step.commit();
}

}  // namespace dcache::store::memory
