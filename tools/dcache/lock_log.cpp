// SPDX-License-Identifier: Apache-2.0
//
// lock log: what happened to locks.
#include <chrono>
#include <memory>
#include <thread>

#include "context.hpp"
#include "dcache/lock_log.hpp"
#include "errors.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

constexpr auto kFollowPeriod = std::chrono::milliseconds(250);

struct LogArguments {
  std::string prefix;
  bool follow = false;
};

Record event_record(const LockEvent& event) {
  return {{"number", event.number},
          {"time", event.time},
          {"event", std::string(name(event.kind))},
          {"key", event.key},
          {"owner", event.owner},
          {"fence", event.fence == 0 ? Value() : Value(event.fence)},
          {"other", event.other.empty() ? Value() : Value(event.other)}};
}

int run(Context& context, const LogArguments& given) {
  const Cache cache = context.open(Context::Missing::fail);
  Listing listing(context,
                  {{"time", "TIME", Column::Align::left, 19},
                   {"event", "EVENT", Column::Align::left, 10},
                   {"owner", "OWNER", Column::Align::left, 15},
                   {"fence", "FENCE", Column::Align::left, 16},
                   {"key", "KEY", Column::Align::left, 16},
                   {"other", "OTHER"}},
                  Table::Layout::stream);
  bool found = false;
  for (std::uint64_t last = 0;;) {
    for (const LockEvent& event : lock_events(cache, last)) {
      last = event.number;
      if (!event.key.starts_with(given.prefix)) continue;
      listing.add(event_record(event));
      found = true;
    }
    if (!given.follow) break;
    context.out().flush();
    std::this_thread::sleep_for(kFollowPeriod);
  }
  listing.end();
  if (!found) context.note("nothing happened to locks that is worth a line");
  return kDone;
}

}  // namespace

Command build_lock_log() {
  const auto given = std::make_shared<LogArguments>();
  return {.about =
              "Shows what happened to locks that somebody may want to know, oldest first; the\n"
              "newest 256 events are kept. Events:\n"
              "  taken_over  granted to OWNER after its holder died or its lease ended: OTHER\n"
              "  lost        OWNER found that it did not have the lock any more\n"
              "  cleared     OWNER took it by force from OTHER\n"
              "  deadlock    OWNER's wait was broken off, as processes waited for each other",
          .examples =
              "  dcache lock log\n"
              "  dcache lock log -f deploy\n",
          .arguments = {positional("PREFIX", given->prefix, Argument::Times::optional,
                                   "only locks whose names begin with it"),
                        flag("-f,--follow", given->follow, "go on with what comes, until Ctrl-C")},
          .run = [given](Context& context) { return run(context, *given); },
          .fields = "number time event key owner fence other"};
}

}  // namespace dcache::cli
