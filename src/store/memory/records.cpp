// SPDX-License-Identifier: Apache-2.0
//
// Records: small texts by space and key, and the fences that go into them.
#include <algorithm>
#include <utility>

#include "platform/clock.hpp"
#include "store/memory/memory_store.hpp"

namespace dcache::store::memory {

namespace {

void write(VersionedMap<std::string>& rows, std::string_view key, std::optional<std::string> bytes) {
  rows.write(key, std::move(bytes), [](const std::string&, const std::string*) {});
}

}  // namespace

/// Microseconds of the wall clock, but always above the last one.
std::uint64_t MemoryStore::next_fence() const {
  const std::int64_t now = platform::now().unix_nanoseconds() / 1000;
  return std::max(last_fence_ + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(0, now)));
}

std::optional<std::string> MemoryStore::record(Space space, std::string_view key) {
  platform::MutexLock lock(mutex_);
  const auto rows = contents_.records.find(space);
  if (rows == contents_.records.end()) return std::nullopt;
  const std::string* const bytes = rows->second.seen(key, view());
  if (bytes == nullptr) return std::nullopt;
  return *bytes;
}

/// Inside the step that the guard is for.
void MemoryStore::obey(const Guard* guard) {
  if (guard == nullptr) return;
  const auto rows = contents_.records.find(Space::locks);
  const std::string* const bytes =
      rows == contents_.records.end() ? nullptr : rows->second.seen(guard->key(), View::writer);
  require(*guard, bytes != nullptr ? std::optional(*bytes) : std::nullopt);
}

bool MemoryStore::add_record(Space space, std::string_view key, FunctionRef<std::string(std::uint64_t)> make,
                             Deadline deadline) {
  platform::MutexLock lock(mutex_);
  Step step = start_step(deadline);
  VersionedMap<std::string>& rows = contents_.records[space];
  if (rows.seen(key, View::writer) != nullptr) return false;
  const std::uint64_t fence = next_fence();
  std::string bytes = make(fence);
  step.changing();
  write(rows, key, std::move(bytes));
  last_fence_ = fence;
  step.commit();
  return true;
}

bool MemoryStore::erase_record(Space space, std::string_view key, std::string_view expected,
                               Deadline deadline) {
  platform::MutexLock lock(mutex_);
  Step step = start_step(deadline);
  VersionedMap<std::string>& rows = contents_.records[space];
  const std::string* const bytes = rows.seen(key, View::writer);
  if (bytes == nullptr || *bytes != expected) return false;
  step.changing();
  write(rows, key, std::nullopt);
  step.commit();
  return true;
}

void MemoryStore::update_record(Space space, std::string_view key,
                                FunctionRef<RecordChange(const std::string*, std::uint64_t)> f,
                                Deadline deadline) {
  platform::MutexLock lock(mutex_);
  Step step = start_step(deadline);
  VersionedMap<std::string>& rows = contents_.records[space];
  const std::string* const old = rows.seen(key, View::writer);
  const std::uint64_t fence = next_fence();
  RecordChange change = f(old, fence);
  if (change.kind != RecordChange::Kind::keep) {
    const bool put = change.kind == RecordChange::Kind::put;
    step.changing();
    if (put || old != nullptr) {
      write(rows, key, put ? std::optional(std::move(change.bytes)) : std::nullopt);
    }
    if (change.fence_used) last_fence_ = fence;
    step.commit();
  }
  for (const Agent& agent : change.wake) wake(agent.session, agent.agent);
}

std::vector<Record> MemoryStore::records(Space space, const std::optional<std::string>& after,
                                         std::size_t limit) {
  platform::MutexLock lock(mutex_);
  std::vector<Record> found;
  const auto spaces = contents_.records.find(space);
  if (spaces == contents_.records.end()) return found;
  const auto& rows = spaces->second.rows();
  auto row = after ? rows.upper_bound(*after) : rows.begin();
  for (; row != rows.end() && found.size() < limit; ++row) {
    if (const std::string* const bytes = row->second.seen(view())) found.push_back({row->first, *bytes});
  }
  return found;
}

}  // namespace dcache::store::memory
