// SPDX-License-Identifier: Apache-2.0
//
// The listing of entries: ls.
#include <algorithm>
#include <array>
#include <memory>

#include "context.hpp"
#include "entry_words.hpp"
#include "errors.hpp"
#include "suggest.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;
using Align = Column::Align;
using Before = bool (*)(const Entry&, const Entry&);

/// An order: one of the library's own, which streams, or one for which all has to be there first.
struct Sorting {
  std::string_view name;
  Order order = Order::inserted;
  Before before = nullptr;
};
constexpr std::array kSortings = {
    Sorting{"inserted"},
    Sorting{"key", Order::key},
    Sorting{"stored", Order::inserted, [](const Entry& a, const Entry& b) { return a.stored < b.stored; }},
    Sorting{"size", Order::inserted, [](const Entry& a, const Entry& b) { return a.size < b.size; }},
    Sorting{
        "expires", Order::inserted,
        [](const Entry& a, const Entry& b) { return a.expires && (!b.expires || *a.expires < *b.expires); }},
};

struct LsArguments {
  std::string prefix;
  std::vector<std::string> tags;
  std::string sort = "inserted";
  bool any = false;
  bool long_rows = false;
  bool reverse = false;
};

Sorting sorting_named(const std::string& name) {
  std::vector<std::string_view> names;
  for (const Sorting& one : kSortings) {
    if (one.name == name) return one;
    names.push_back(one.name);
  }
  std::string text = "--sort " + in_quotes(name, 80) + " is not inserted, key, stored, size or expires";
  if (const auto near = nearest(name, names)) text.append(" (did you mean '").append(*near).append("'?)");
  throw UsageError(text);
}

/// The entries with what comes first at the front; equal ones stay as they were inserted.
std::vector<Entry> sorted(const Entries& entries, Before before, bool reverse) {
  std::vector<Entry> all;
  for (const Entry& entry : entries) all.push_back(entry);
  std::stable_sort(all.begin(), all.end(),
                   [&](const Entry& a, const Entry& b) { return reverse ? before(b, a) : before(a, b); });
  return all;
}

int list(Context& context, const LsArguments& given) {
  const Sorting sorting = sorting_named(given.sort);
  const Cache cache = context.open(Context::Missing::fail);
  Listing listing(context,
                  {{"size", "SIZE", Align::right, 8},
                   {"age", "AGE", Align::right, 5},
                   {"left", "LEFT", Align::right, 5},
                   {"format", "FORMAT", Align::left, 7},
                   {"tags", "TAGS", Align::left, 16},
                   {"key", "KEY"}},
                  Table::Layout::stream);
  bool found = false;
  const auto show = [&](const Entry& entry) {
    found = true;
    if (context.for_programs() || given.long_rows) {
      listing.add(describe(entry));
    } else {
      context.out().write(escape(entry.key) + "\n");
    }
  };
  const Entries entries = cache.entries({.prefix = given.prefix,
                                         .tags = given.tags,
                                         .match = given.any ? Match::any : Match::all,
                                         .order = sorting.order,
                                         .reverse = given.reverse && sorting.before == nullptr,
                                         .values = false});
  if (sorting.before == nullptr) {
    for (const Entry& entry : entries) show(entry);
  } else {
    for (const Entry& entry : sorted(entries, sorting.before, given.reverse)) show(entry);
  }
  listing.end();
  if (!found) context.note("no entries");
  return kDone;
}

}  // namespace

Command build_ls() {
  const auto given = std::make_shared<LsArguments>();
  return {.about =
              "Lists the keys that are there and whose time is not over, in the order in which\n"
              "they were first stored: an overwritten value keeps its place. Characters that a\n"
              "terminal might obey come out as \\xNN.\n"
              "\n"
              "Orders, each the other way round with -r:\n"
              "  inserted  as above\n"
              "  key       by the bytes of the key\n"
              "  stored    last stored last, overwritten values included\n"
              "  size      largest last\n"
              "  expires   first to expire first, then what never does\n"
              "The first two start at once and take little memory, however many there are. For\n"
              "the others all entries are read first: about 300 MB for a million.",
          .examples =
              "  dcache ls\n"
              "  dcache ls user: --long\n"
              "  dcache ls --tag pages --tag eu --any\n"
              "  dcache ls --sort size --reverse --long | head\n"
              "  dcache ls --json | jq -r .key\n"
              "  dcache ls --plain | cut -f 1,2\n",
          .arguments = {positional("PREFIX", given->prefix, Times::optional, "only keys that begin with it"),
                        option("-t,--tag", "TAG", given->tags, "only values that have the tag"),
                        flag("-a,--any", given->any, "any of several tags will do, not all"),
                        option("-s,--sort", "ORDER", given->sort,
                               "inserted (default), key, stored, size or expires"),
                        flag("-r,--reverse", given->reverse, "the last one first"),
                        flag("-l,--long", given->long_rows, "size, age, time left, format and tags too")},
          .run = [given](Context& context) { return list(context, *given); },
          .fields = kEntryFields};
}

}  // namespace dcache::cli
