// SPDX-License-Identifier: Apache-2.0
//
// lock ls: the locks and who holds them.
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <thread>

#include "context.hpp"
#include "dcache/lock.hpp"
#include "errors.hpp"
#include "lock_words.hpp"
#include "suggest.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Align = Column::Align;

constexpr auto kWatchPeriod = std::chrono::seconds(1);
constexpr std::string_view kClearScreen = "\x1b[H\x1b[2J\x1b[3J";

struct Known {
  std::string_view name;  ///< for -o
  Column column;
  bool usual = true;
};
constexpr std::array kKnown = {
    Known{"key", {"key", "KEY"}},
    Known{"kind", {"kind", "KIND"}},
    Known{"mode", {"mode", "MODE"}, false},
    Known{"state", {"state", "STATE"}},
    Known{"owner", {"owner", "OWNER"}},
    Known{"pid", {"pid", "PID", Align::right}, false},
    Known{"tid", {"tid", "TID", Align::right}, false},
    Known{"command", {"command", "COMMAND"}},
    Known{"since", {"since", "SINCE"}, false},
    Known{"age", {"age", "AGE", Align::right}},
    Known{"lease", {"lease_left", "LEASE", Align::right}},
    Known{"fence", {"fence", "FENCE"}},
    Known{"count", {"count", "COUNT", Align::right}},
    Known{"waiting", {"waiters", "WAITING", Align::right}},
    Known{"label", {"label", "LABEL"}},
    Known{"tags", {"tags", "TAGS"}, false},
    Known{"session", {"session", "SESSION"}, false},
    Known{"agent", {"agent", "AGENT", Align::right}, false},
};

const Known& known_column(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) {
    if (known.name == name) return known;
    names.push_back(known.name);
  }
  const auto meant = nearest(name, names);
  throw UsageError("names '" + escape(name, 40) + "', which is no column" +
                   (meant ? "; did you mean '" + std::string(*meant) + "'?" : std::string()));
}

/// Those that a list names; one that begins with + adds to the usual ones.
std::vector<Column> columns_named(std::string list) {
  std::vector<Column> columns;
  const bool more = list.empty() || list.front() == '+';
  for (const Known& known : kKnown) {
    if (more && known.usual) columns.push_back(known.column);
  }
  if (!list.empty() && more) list.erase(0, 1);
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    columns.push_back(known_column(list.substr(at, end - at)).column);
    at = end + 1;
  }
  return columns;
}

struct LocksArguments {
  std::string prefix;
  std::optional<std::string> glob;
  std::vector<std::string> tags;
  std::string columns;
  bool stale = false;
  bool waiters = false;
  bool watch = false;

  [[nodiscard]] bool wants(const LockInfo& lock) const {
    if (glob && ::fnmatch(glob->c_str(), lock.key.c_str(), 0) != 0) return false;
    return !stale || (!lock.holders.empty() && !is_held(lock));
  }
};

/// Of the fields only those that have a column, in the order of the columns, if columns were asked for.
Record chosen_fields(Record record, const std::vector<Column>& columns) {
  Record fields;
  for (const Column& column : columns) {
    const auto field = std::find_if(record.begin(), record.end(),
                                    [&](const Field& one) { return one.name == column.field; });
    fields.push_back(field == record.end() ? Field{column.field, Value()} : std::move(*field));
  }
  return fields;
}

void list(Context& context, const Cache& cache, const LocksArguments& given,
          const std::vector<Column>& columns) {
  Listing listing(context, columns, Table::Layout::fit);
  const auto add = [&](Record record) {
    listing.add(given.columns.empty() ? std::move(record) : chosen_fields(std::move(record), columns));
  };
  bool found = false;
  for (const LockInfo& lock : locks(cache, {.prefix = given.prefix, .tags = given.tags})) {
    if (!given.wants(lock)) continue;
    found = true;
    for (const Holder& holder : lock.holders) add(record_of(lock, holder));
    if (given.waiters) {
      for (const Waiter& waiter : lock.waiters) add(record_of(lock, waiter));
    }
    if (!lock.holders.empty()) continue;
    if (lock.kind == "damaged") {
      add({{"key", lock.key}, {"kind", lock.kind}});
    } else if (!given.waiters) {
      add({{"key", lock.key},
           {"kind", lock.kind},
           {"state", std::string("free")},
           {"waiters", waiting(lock)}});
    }
  }
  listing.end();
  if (!found) context.note("no locks");
}

int run(Context& context, const LocksArguments& given) {
  const std::vector<Column> columns = columns_named(given.columns);
  if (!given.columns.empty()) context.choose_fields(columns);
  const Cache cache = context.open(Context::Missing::fail);
  for (;;) {
    const bool clear = given.watch && !context.for_programs() && Output::is_terminal();
    if (clear) context.out().write(kClearScreen);
    list(context, cache, given, columns);
    if (!given.watch) return kDone;
    if (!clear && !context.for_programs()) context.out().write("\n");
    context.out().flush();
    std::this_thread::sleep_for(kWatchPeriod);
  }
}

}  // namespace

Command build_lock_ls() {
  const auto given = std::make_shared<LocksArguments>();
  Argument columns =
      option("-o,--columns", "LIST", given->columns, "these columns, by commas; +LIST: these besides");
  columns.take = [given](const std::string& text) {
    columns_named(text);
    given->columns = text;
  };
  return {
      .about =
          "Lists the locks that are held, and those whose holder is gone and that nobody\n"
          "has taken since, or that somebody waits for. States:\n"
          "  live     its holder runs, or something that it started (COMMAND is - then)\n"
          "  leased   as live, and loses it when LEASE is over\n"
          "  kept     stays held until LEASE is over, whether or not its holder runs\n"
          "  expired  its lease is over: the next one gets it\n"
          "  dead     its holder is gone: the next one gets it\n"
          "  unknown  whether its holder runs cannot be told from here\n"
          "  free     nobody holds it: who waits for it has not come yet, as it is stopped\n"
          "  waits    not a holder, but one who waits, for AGE by now (with --waiters)\n"
          "A record that cannot be read is of kind 'damaged': lock clear --force removes it.\n"
          "\n"
          "Columns for -o: key, kind, mode, state, owner, pid, tid, command, since, age,\n"
          "lease, fence, count, waiting, label, tags, session, agent.",
      .examples =
          "  dcache locks\n"
          "  dcache lock ls nightly: --tag db\n"
          "  dcache lock ls --key '*:report' -o key,pid,age\n"
          "  dcache lock ls --stale\n"
          "  dcache lock ls --watch --waiters\n"
          "  dcache locks --json | jq -r 'select(.state == \"dead\").key'\n",
      .arguments = {positional("PREFIX", given->prefix, Argument::Times::optional,
                               "only locks whose names begin with it"),
                    option("-k,--key", "GLOB", given->glob,
                           "only locks whose names match: * any text, ? any character"),
                    option("-t,--tag", "TAG", given->tags, "only locks whose holder has the tag"),
                    flag("-s,--stale", given->stale, "only locks whose holders have all ended"),
                    flag("--waiters", given->waiters, "a line for each who waits as well, in their order"),
                    std::move(columns),
                    flag("--watch", given->watch, "list anew every second, until Ctrl-C")},
      .run = [given](Context& context) { return run(context, *given); },
      .fields =
          "key kind mode state owner pid tid command since age lease_left fence count waiters label tags "
          "session agent fair late"};
}

}  // namespace dcache::cli
