// SPDX-License-Identifier: Apache-2.0
//
// once: a command that succeeds once, or once in a while.
#include "dcache/once.hpp"

#include <memory>

#include "child.hpp"
#include "context.hpp"
#include "errors.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

struct OnceArguments {
  std::string key;
  std::vector<std::string> command;
  Lifetime per;
  std::optional<Duration> wait;
};

/// It ran and did not succeed, so it is not done.
struct Failed {
  int status;
};

int run(Context& context, const OnceArguments& given) {
  Cache cache = context.open(Context::Missing::make);
  // Whatever the command started must have ended before another one begins.
  Child child{.command = given.command, .inherited = proof_of_life(cache)};
  const auto body = [&] {
    const Ended ended = run_child(child);
    if (ended.status != 0) throw Failed{ended.status};
  };
  try {
    if (!once_per(cache, given.key, given.per.time.value_or(forever), body,
                  {.timeout = given.wait.value_or(forever), .label = escape(given.command.front(), 100)})) {
      context.note(in_quotes(given.key) + " was done before; `dcache lock show " +
                   shell_word("once:" + given.key) + "` tells when");
    }
  } catch (const Failed& failed) {
    return failed.status;
  }
  return kDone;
}

}  // namespace

Command build_once() {
  const auto given = std::make_shared<OnceArguments>();
  return {
      .about =
          "Runs the command unless it has succeeded under this key before, by whomever;\n"
          "with --per, in that time before. Of several who come at once one runs it and the\n"
          "others wait until it has ended. It succeeded if its exit status was 0; otherwise\n"
          "the next one runs it again. The cache is made if it is missing.\n"
          "\n"
          "That it was done is kept as a lock, once:KEY, which survives a reboot and `dcache\n"
          "clear`. `dcache lock clear` with its fence and --force lets it be done again. If\n"
          "dcache is killed, nobody else begins before the command has ended.\n"
          "\n"
          "Exit status: the command's, 128 + N if signal N ended it; 0 if it was done before;\n"
          "75 if -w ran out; 126 or 127 if the command cannot be run.",
      .examples =
          "  dcache once schema-7 -- ./migrate.sh\n"
          "  dcache once digest --per 24h -- send-digest\n"
          "  dcache once -w 30 warm-up -- make warm\n",
      .arguments = {positional("KEY", given->key, Argument::Times::required, "what is to be done"),
                    option("--per", "TIME", given->per,
                           "once in this time, from when it began: 90s, 10m, 2h, 7d; never again (default)"),
                    option("-w,--wait", "TIME", given->wait,
                           "wait at most so long for another one; a plain number is seconds")},
      .rest_name = "COMMAND...",
      .rest = &given->command,
      .run = [given](Context& context) { return run(context, *given); }};
}

}  // namespace dcache::cli
