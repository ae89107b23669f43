// SPDX-License-Identifier: Apache-2.0
//
// Calls about all values: each shard does its part, one after the other.
#include <algorithm>
#include <set>
#include <utility>

#include "dcache/error.hpp"
#include "store/sharded/progress.hpp"
#include "store/sharded/sharded_store.hpp"

namespace dcache::store::sharded {

namespace {

/// Adds up what each shard removes, and tells it.
template <class F>
std::uint64_t sum_of_removed(const std::vector<std::unique_ptr<Store>>& shards, const OnProgress& on_progress,
                             F remove) {
  std::uint64_t removed = 0;
  for (const std::unique_ptr<Store>& shard : shards) {
    OnProgress tell;
    if (on_progress) {
      tell = [&](std::uint64_t done, std::uint64_t total) { on_progress(removed + done, total); };
    }
    removed += remove(*shard, tell);
  }
  return removed;
}

bool same(const Settings& a, const Settings& b) noexcept {
  return a.size_limit == b.size_limit && a.policy == b.policy;
}

template <class F>
std::uint64_t sum_of(const std::vector<std::unique_ptr<Store>>& shards, F number) {
  std::uint64_t sum = 0;
  for (const std::unique_ptr<Store>& shard : shards) sum += number(*shard);
  return sum;
}

}  // namespace

std::uint64_t ShardedStore::evict(const Tags& tags, Match match, Timestamp start,
                                  const OnProgress& on_progress) {
  refuse_inside("to evict by tag");
  return sum_of_removed(shards_, on_progress, [&](Store& shard, const OnProgress& tell) {
    return shard.evict(tags, match, start, tell);
  });
}

std::uint64_t ShardedStore::clear(Timestamp start, const OnProgress& on_progress) {
  refuse_inside("to clear");
  return sum_of_removed(shards_, on_progress,
                        [&](Store& shard, const OnProgress& tell) { return shard.clear(start, tell); });
}

std::uint64_t ShardedStore::expire() {
  refuse_inside("to remove what has expired");
  return sum_of(shards_, [](Store& shard) { return shard.expire(); });
}

std::uint64_t ShardedStore::cull() {
  refuse_inside("to cull");
  return sum_of(shards_, [](Store& shard) { return shard.cull(); });
}

std::uint64_t ShardedStore::size() {
  return sum_of(shards_, [](Store& shard) { return shard.size(); });
}

std::uint64_t ShardedStore::bytes() {
  return sum_of(shards_, [](Store& shard) { return shard.bytes(); });
}

/// What the first shard has is true; the others keep copies of it.
void ShardedStore::change_settings(FunctionRef<void(Settings&)> change) {
  refuse_inside("to change the settings");
  Settings wanted;
  first().change_settings([&](Settings& settings) {
    change(settings);
    wanted = settings;
  });
  // Of several who change them at once, whoever copies last has looked at the first shard later than the
  // others had changed it.
  for (;;) {
    for (std::size_t i = 1; i < shards_.size(); ++i)
      shards_[i]->change_settings([&](Settings& settings) { settings = wanted; });
    const Settings now = first().settings();
    if (same(now, wanted)) return;
    wanted = now;
  }
}

Stats ShardedStore::stats() {
  Stats all = first().stats();
  for (std::size_t i = 1; i < shards_.size(); ++i) {
    const Stats one = shards_[i]->stats();
    all.entries += one.entries;
    all.expired += one.expired;
    all.value_bytes += one.value_bytes;
    all.database_bytes += one.database_bytes;
    all.wal_bytes += one.wal_bytes;
    all.free_bytes += one.free_bytes;
    all.hits += one.hits;
    all.misses += one.misses;
    all.checkpoints += one.checkpoints;
    if (one.oldest && (!all.oldest || *one.oldest < *all.oldest)) all.oldest = one.oldest;
    if (one.newest && (!all.newest || *one.newest > *all.newest)) all.newest = one.newest;
  }
  all.tags = tags().size();
  all.shards = shards_.size();
  return all;
}

std::vector<std::string> ShardedStore::tags() {
  std::set<std::string> all;
  for (const std::unique_ptr<Store>& shard : shards_)
    all.merge([&] {
      std::vector<std::string> some = shard->tags();
      return std::set<std::string>(std::make_move_iterator(some.begin()),
                                   std::make_move_iterator(some.end()));
    }());
  return {all.begin(), all.end()};
}

/// Looks for values where nobody looks for them, as when the files of a shard were put in another's place.
/// Mended, they are moved, unless there is one in the right place.
void ShardedStore::check_places(std::size_t at, bool fix, CheckReport& report) {
  const auto look_at = [&](const std::string& key) {
    const std::size_t right = shard_of(key);
    if (right == at) return;
    Problem problem{.kind = Problem::Kind::value,
                    .key = key,
                    .text = "it is of shard " + std::to_string(right) + ", so nobody finds it here"};
    if (fix) {
      if (const std::optional<Entry> entry = shards_[at]->entry(key)) {
        const NewValue value{
            .bytes = entry->value, .format = entry->format, .expires = entry->expires, .tags = entry->tags};
        static_cast<void>(shards_[right]->put(key, value, Put::if_absent));
        shards_[at]->erase(key, nullptr);
      }
      problem.text += "; moved to its place, unless another was there";
      problem.fixed = true;
    }
    report.problems.push_back(std::move(problem));
  };
  try {
    std::vector<Entry> page;
    const std::unique_ptr<Scan> walk = shards_[at]->scan({.values = false});
    for (walk->next(page); !page.empty(); walk->next(page)) {
      for (const Entry& entry : page) look_at(entry.key);
    }
  } catch (const Corrupt&) {
    // The shard's own check has told of it.
  }
}

/// The others' copies of the settings may be old, where who changed them was killed.
void ShardedStore::check_settings(std::size_t at, bool fix, CheckReport& report) {
  try {
    const Settings right = first().settings();
    if (same(shards_[at]->settings(), right)) return;
    Problem problem{.kind = Problem::Kind::settings, .text = "its settings are not those of the cache"};
    if (fix) {
      change_settings([](Settings&) {});
      problem.text += "; they are now";
      problem.fixed = true;
    }
    report.problems.push_back(std::move(problem));
  } catch (const Corrupt&) {
    // The shard's own check has told of it.
  }
}

CheckReport ShardedStore::check(const CheckOptions& options) {
  CheckReport all;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    CheckReport one = shards_[i]->check(
        {.fix = options.fix, .on_progress = part_of_progress(options.on_progress, i, shards_.size())});
    check_settings(i, options.fix, one);
    check_places(i, options.fix, one);
    all.entries += one.entries;
    all.tag_rows += one.tag_rows;
    all.records += one.records;
    all.files += one.files;
    for (Problem& problem : one.problems) {
      problem.text.insert(0, "shard " + std::to_string(i) + ": ");
      all.problems.push_back(std::move(problem));
    }
  }
  return all;
}

CompactReport ShardedStore::compact(const CompactOptions& options) {
  CompactReport all;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const CompactReport one =
        shards_[i]->compact({.on_progress = part_of_progress(options.on_progress, i, shards_.size())});
    all.before += one.before;
    all.after += one.after;
    all.expired += one.expired;
    all.complete = all.complete && one.complete;
  }
  return all;
}

}  // namespace dcache::store::sharded
