// SPDX-License-Identifier: Apache-2.0
#include "dcache/store.hpp"

#include <algorithm>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "store/deadline.hpp"

namespace dcache {

Store::~Store() = default;

void Store::require(const Guard& guard, const std::optional<std::string>& record) {
  const std::string what = "lock '" + escape(guard.key(), 200) + "' guards this write";
  // A guard that was made from no lock at all is of no cache.
  if (!guard.cache().empty() && guard.cache() != uuid()) {
    throw InvalidArgument(what + ", but it is a lock of another cache; take one of this cache");
  }
  if (!guard.holds(record ? &*record : nullptr)) {
    throw LockLost(what + ", but is no longer held; nothing was changed: take it again and begin anew");
  }
}

void Store::hold_to(const Guard& guard) { require(guard, record(Space::locks, guard.key())); }

bool Store::make_way(int /*tries*/) { return false; }

std::uint64_t Store::own_part(std::uint64_t whole) const noexcept {
  // Only 0 is 0, as that has a meaning of its own.
  return whole == 0 ? 0 : std::max<std::uint64_t>(whole / siblings_, 1);
}

Settings Store::own_part(Settings settings) const noexcept {
  settings.size_limit = own_part(settings.size_limit);
  return settings;
}

CheckReport Store::check(const CheckOptions& options) {
  constexpr std::size_t kRecordsAPage = 1000;
  CheckReport report;
  const std::uint64_t total = size();
  try {
    std::vector<Entry> page;
    const std::unique_ptr<Scan> walk = scan({});
    for (walk->next(page); !page.empty(); walk->next(page)) {
      report.entries += page.size();
      for (const Entry& entry : page) report.tag_rows += entry.tags.size();
      if (options.on_progress) options.on_progress(report.entries, std::max(total, report.entries));
    }
    std::optional<std::string> after;
    for (std::vector<Record> found = records(Space::locks, after, kRecordsAPage); !found.empty();
         found = records(Space::locks, after, kRecordsAPage)) {
      report.records += found.size();
      after = found.back().key;
    }
  } catch (const Corrupt& damage) {
    report.problems.push_back({.kind = Problem::Kind::database, .text = damage.what()});
  }
  return report;
}

void Store::backup(const std::filesystem::path& file, const BackupOptions& /*options*/) {
  throw Unsupported("cannot back up to '" + escape(file.native()) +
                    "': this cache is in memory alone; only one in a directory can be backed up");
}

CompactReport Store::compact(const CompactOptions& /*options*/) {
  CompactReport report{.before = bytes()};
  report.expired = expire();
  report.after = bytes();
  return report;
}

}  // namespace dcache

namespace dcache::store {

Deadline deadline_after(Duration duration) noexcept {
  if (duration.is_forever()) return kNoDeadline;
  const auto now = std::chrono::steady_clock::now();
  if (duration.nanoseconds() >= kNoDeadline - now) return kNoDeadline;
  return now + std::chrono::duration_cast<Deadline::duration>(duration.nanoseconds());
}

}  // namespace dcache::store
