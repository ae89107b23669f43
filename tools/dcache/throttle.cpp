// SPDX-License-Identifier: Apache-2.0
//
// throttle: a command at most so often.
#include "dcache/throttle.hpp"

#include <limits>
#include <memory>

#include "child.hpp"
#include "context.hpp"
#include "errors.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

struct ThrottleArguments {
  std::string key;
  std::vector<std::string> command;
  std::optional<std::uint64_t> count;
  Lifetime per;
  std::optional<Duration> wait;
  bool no_wait = false;
};

int run(Context& context, const ThrottleArguments& given) {
  if (given.no_wait && given.wait) throw UsageError("-n and -w exclude each other");
  if (!given.count || !given.per.time) throw UsageError("--count and --per are needed");
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (*given.count < 1 || *given.count > kMost) throw UsageError("--count must be 1 or more");
  Cache cache = context.open(Context::Missing::make);
  Throttle bucket(cache, given.key, static_cast<std::int64_t>(*given.count), *given.per.time);
  if (!given.no_wait) {
    bucket.acquire(given.wait.value_or(forever));
  } else if (!bucket.try_acquire()) {
    context.note(in_quotes(given.key) + " has no room now: it is used at most " +
                 std::to_string(*given.count) + " times in " + short_duration(*given.per.time));
    return kNo;
  }
  return given.command.empty() ? kDone : become({.command = given.command});
}

}  // namespace

Command build_throttle() {
  const auto given = std::make_shared<ThrottleArguments>();
  return {.about =
              "Waits until the command may run and becomes it: at most N times in a TIME, by\n"
              "all who use the key in this directory. Without a command it only waits. A key\n"
              "that was not used for a while lets N through at once, and then one every TIME/N;\n"
              "all must name the same N and TIME. The cache is made if it is missing.\n"
              "\n"
              "Exit status: the command's; 1 if it would have had to wait (-n); 75 if it would\n"
              "have had to wait longer than -w; 126 or 127 if the command cannot be run.",
          .examples =
              "  dcache throttle api --count 10 --per 1m -- curl -s \"$url\"\n"
              "  dcache throttle -n mail --count 1 --per 1h -- notify \"disk is full\"\n"
              "  while read -r id; do dcache throttle db --count 5 --per 1s; load \"$id\"; done\n",
          .arguments = {positional("KEY", given->key, Argument::Times::required, "what is limited"),
                        option("--count", "N", given->count, "how often"),
                        option("--per", "TIME", given->per, "in which time: 500ms, 1s, 10m, 2h, 7d"),
                        flag("-n,--nonblock", given->no_wait, "do not wait: give up at once"),
                        option("-w,--wait", "TIME", given->wait,
                               "wait at most so long; a plain number is seconds")},
          .rest_name = "COMMAND...",
          .rest = &given->command,
          .rest_times = Argument::Times::optional,
          .run = [given](Context& context) { return run(context, *given); }};
}

}  // namespace dcache::cli
