// SPDX-License-Identifier: Apache-2.0
//
// Verbs that look at values and change nothing: ls, tags, entry, stats.
#include <map>
#include <memory>

#include "context.hpp"
#include "errors.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

/// All about an entry but its value.
Record describe(const Entry& entry) {
  const Duration left = entry.expires ? left_until(*entry.expires) : forever;
  return {{"key", entry.key},
          {"size", Size{entry.size}},
          {"format", std::string(format_name(entry.format))},
          {"tags", entry.tags},
          {"stored", entry.stored},
          {"age", age_of(entry.stored)},
          {"expires", entry.expires},
          {"left", left}};
}

}  // namespace

Command build_ls() {
  struct Given {
    std::string prefix;
    std::vector<std::string> tags;
    bool any = false;
    bool long_rows = false;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Lists the keys that are there and whose time is not over, oldest first.\n"
              "Characters that a terminal might obey come out as \\xNN.",
          .examples =
              "  dcache ls\n"
              "  dcache ls user: --long\n"
              "  dcache ls --tag pages --tag eu --any\n"
              "  dcache ls --json | jq -r .key\n",
          .arguments = {positional("PREFIX", given->prefix, Times::optional, "only keys that begin with it"),
                        option("-t,--tag", "TAG", given->tags, "only values that have the tag"),
                        flag("-a,--any", given->any, "any of several tags will do, not all"),
                        flag("-l,--long", given->long_rows, "size, age, time left, format and tags too")},
          .run = [given](Context& context) -> int {
            const Cache cache = context.open(Context::Missing::fail);
            using Align = Column::Align;
            Listing listing(context,
                            {{"size", "SIZE", Align::right, 8},
                             {"age", "AGE", Align::right, 5},
                             {"left", "LEFT", Align::right, 5},
                             {"format", "FORMAT", Align::left, 7},
                             {"tags", "TAGS", Align::left, 16},
                             {"key", "KEY"}},
                            Table::Layout::stream);
            const EntryFilter filter{.prefix = given->prefix,
                                     .tags = given->tags,
                                     .match = given->any ? Match::any : Match::all,
                                     .values = false};
            bool found = false;
            for (const Entry& entry : cache.entries(filter)) {
              found = true;
              if (context.json() || given->long_rows) {
                listing.add(describe(entry));
              } else {
                context.out().write(escape(entry.key) + "\n");
              }
            }
            listing.end();
            if (!found) context.note("no entries");
            return kDone;
          }};
}

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
          }};
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
              "expired ones still take space until `dcache expire` removes them.",
          .examples =
              "  dcache stats\n"
              "  dcache stats --json | jq .entries\n",
          .run = [](Context& context) -> int {
            const Cache cache = context.open(Context::Missing::fail);
            const Stats stats = cache.stats();
            // What only this short process did (hits, misses, checkpoints) says nothing about the cache.
            context.show({{"directory", cache.directory().native()},
                          {"engine", stats.engine},
                          {"board", stats.board},
                          {"entries", stats.entries},
                          {"expired", stats.expired},
                          {"tags", stats.tags},
                          {"locks", stats.locks},
                          {"value_bytes", Size{stats.value_bytes}},
                          {"database_bytes", Size{stats.database_bytes}},
                          {"wal_bytes", Size{stats.wal_bytes}}});
            return kDone;
          }};
}

}  // namespace dcache::cli
