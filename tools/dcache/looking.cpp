// SPDX-License-Identifier: Apache-2.0
//
// Verbs that look at values and change nothing: tags, entry, stats.
#include <map>
#include <memory>

#include "context.hpp"
#include "dcache/error.hpp"
#include "entry_words.hpp"
#include "errors.hpp"
#include "settings.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

/// What the size limit says. Settings that cannot be read are for `check` and `doctor` to tell of.
struct Limit {
  std::uint64_t bytes = 0;
  std::optional<Size> size = {};
  std::optional<double> full = {};
  std::optional<std::string> policy = {};
};

/// For people there is a word for no limit.
Value shown_size(const Context& context, const Limit& limit) {
  return limit.size || !limit.policy || context.for_programs() ? Value(limit.size) : Value("none");
}

Value percent(const std::optional<double>& share) {
  if (!share) return {};
  return std::to_string(static_cast<std::uint64_t>(*share)) + " %";
}

Limit limit_of(const Cache& cache) {
  Limit limit{.bytes = cache.bytes()};
  try {
    const Settings settings = cache.settings();
    limit.policy = name_of(settings.policy);
    if (settings.size_limit == 0) return limit;
    limit.size = Size{settings.size_limit};
    limit.full = 100.0 * static_cast<double>(limit.bytes) / static_cast<double>(settings.size_limit);
  } catch (const Corrupt&) {
    return limit;
  }
  return limit;
}

}  // namespace

Command build_tags() {
  return {.about = "Lists the tags that values have, and how many values have each. Looks at all entries.",
          .examples =
              "  dcache tags\n"
              "  dcache tags --json\n",
          .run = [](Context& context) -> int {
            const Cache cache = context.open(Context::Missing::fail);
            std::map<std::string, std::uint64_t> counts;
            for (const Entry& entry : cache.entries({.values = false})) {
              for (const std::string& tag : entry.tags) ++counts[tag];
            }
            Listing listing(context, {{"entries", "ENTRIES", Column::Align::right}, {"tag", "TAG"}},
                            Table::Layout::fit);
            for (const auto& [tag, count] : counts) listing.add({{"tag", tag}, {"entries", count}});
            listing.end();
            if (counts.empty()) context.note("no tags");
            return kDone;
          },
          .fields = "tag entries"};
}

Command build_entry() {
  struct Given {
    std::string key;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Shows all that is known about a key: size, format, times, tags and value.\n"
              "Exit status 1 if the key is absent or its time is over.",
          .examples =
              "  dcache entry greeting\n"
              "  dcache entry greeting --json | jq .expires\n",
          .arguments = {positional("KEY", given->key, Times::required, "the key")},
          .run = [given](Context& context) -> int {
            const std::optional<Entry> entry = context.open(Context::Missing::fail).entry(given->key);
            if (!entry) {
              context.note("there is no entry " + in_quotes(given->key));
              return kNo;
            }
            Record record = describe(*entry);
            record.push_back({"value", entry->value});
            context.show(record);
            return kDone;
          }};
}

Command build_stats() {
  return {.about =
              "Shows the numbers of the cache. Entries are those whose time is not over;\n"
              "expired ones still take space until `dcache expire` removes them. `bytes` is\n"
              "what counts against the size limit (`dcache config`), `full` that in percent of\n"
              "it; `free bytes` are room in the database for what is stored next. `oldest` and\n"
              "`newest` say when the entries were stored. What is said of locks was counted\n"
              "since somebody first waited for one: grants, those that had to be waited for,\n"
              "those taken over from the dead, and those that were lost.",
          .examples =
              "  dcache stats\n"
              "  dcache stats --json | jq .entries\n",
          .run = [](Context& context) -> int {
            const Cache cache = context.open(Context::Missing::fail);
            const Stats stats = cache.stats();
            // What only this short process did (hits, misses, checkpoints) says nothing about the cache.
            const Limit limit = limit_of(cache);
            context.show({{"directory", cache.directory().native()},
                          {"engine", stats.engine},
                          {"board", stats.board},
                          {"shards", stats.shards},
                          {"entries", stats.entries},
                          {"expired", stats.expired},
                          {"tags", stats.tags},
                          {"locks", stats.locks},
                          {"value_bytes", Size{stats.value_bytes}},
                          {"database_bytes", Size{stats.database_bytes}},
                          {"wal_bytes", Size{stats.wal_bytes}},
                          {"free_bytes", Size{stats.free_bytes}},
                          {"bytes", Size{limit.bytes}},
                          {"size_limit", shown_size(context, limit)},
                          {"full", context.for_programs() ? Value(limit.full) : percent(limit.full)},
                          {"policy", limit.policy},
                          {"oldest", stats.oldest},
                          {"newest", stats.newest},
                          {"lock_grants", stats.lock_grants},
                          {"lock_contended", stats.lock_contended},
                          {"lock_takeovers", stats.lock_takeovers},
                          {"lock_lost", stats.lock_lost},
                          {"lock_longest_wait", stats.lock_longest_wait},
                          {"lock_longest_hold", stats.lock_longest_hold}});
            return kDone;
          }};
}

}  // namespace dcache::cli
