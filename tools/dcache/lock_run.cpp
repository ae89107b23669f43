// SPDX-License-Identifier: Apache-2.0
//
// lock run: a command under a lock, as flock(1).
#include <cstdlib>
#include <memory>

#include "child.hpp"
#include "context.hpp"
#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "errors.hpp"
#include "lock_asking.hpp"
#include "lock_words.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

struct RunArguments {
  Asking asking;
  std::vector<std::string> command;
  std::optional<std::string> script;
  bool close = false;
  bool no_fork = false;
  std::optional<Duration> kill_after;
};

std::vector<std::string> command_of(const RunArguments& given) {
  if (!given.script) {
    if (given.command.empty()) throw UsageError("`-- COMMAND...` is missing, or -c");
    return given.command;
  }
  if (!given.command.empty()) throw UsageError("-c and a command after -- exclude each other");
  return {"/bin/sh", "-c", *given.script};
}

void set_environment(const LockHandle& lock) {
  std::string tokens = lock.token();
  for (const std::string& token : tokens_above()) {
    if (token != lock.token()) tokens += "," + token;
  }
  // NOLINTBEGIN(concurrency-mt-unsafe): threads of the library do not look at it
  ::setenv("DCACHE_LOCK_KEY", lock.key().c_str(), 1);
  ::setenv("DCACHE_LOCK_FENCE", std::to_string(lock.fence()).c_str(), 1);
  ::setenv("DCACHE_LOCK_TOKEN", tokens.c_str(), 1);
  if (lock.previous_owner_died()) {
    ::setenv("DCACHE_LOCK_OWNER_DIED", "1", 1);
  } else {
    ::unsetenv("DCACHE_LOCK_OWNER_DIED");
  }
  // NOLINTEND(concurrency-mt-unsafe)
}

/// Whether the lock may still be held. Where that cannot be found out now it is.
bool still_held(const LockHandle& lock) {
  try {
    return lock.owned();
  } catch (const Error&) {
    return true;
  }
}

int run(Context& context, const RunArguments& given) {
  given.asking.check();
  if (given.close && given.no_fork) {
    throw UsageError("-o and -F exclude each other: nothing would be left to hold the lock");
  }
  Child child{.command = command_of(given)};
  Cache cache = context.open(Context::Missing::make);
  Grip grip(context, cache, given.asking, false);
  LockHandle& lock = grip.lock();
  const bool inner = adopt_from_above(cache, lock, given.asking);
  if (!inner && !grip.take()) return static_cast<int>(given.asking.busy_code.value_or(kNo));
  if (inner && given.asking.verbose) remark("running under " + lock_name(lock.key()) + " already");
  set_environment(lock);
  if (!given.close) child.inherited = proof_of_life(cache);
  if (given.no_fork) {
    const int failed = become(child);
    if (!inner) lock.release();
    return failed;
  }

  child.grace = given.kill_after.value_or(std::chrono::seconds(5));
  child.may_run = [&] {
    if (still_held(lock)) return true;
    complain(lock_name(lock.key()) +
             " was lost while the command ran: its lease ended or somebody cleared it; " +
             "ending the command");
    return false;
  };
  const Ended ended = run_child(child);
  const bool held = inner ? still_held(lock) : lock.release() == Release::released;
  if (held && !ended.broken_off) return ended.status;
  throw Failure(kTimeout, lock_name(lock.key()) + " was lost while the command ran (its exit status was " +
                              std::to_string(ended.status) + "); what it protects may be damaged");
}

}  // namespace

Command build_lock_run() {
  const auto given = std::make_shared<RunArguments>();
  std::vector<Argument> arguments = given->asking.arguments();
  arguments.push_back(option("-c,--command", "TEXT", given->script,
                             "run this by /bin/sh -c, in place of a command after --"));
  arguments.push_back(
      flag("-o,--close", given->close, "if dcache is killed the lock is free, even if the command goes on"));
  arguments.push_back(
      flag("-F,--no-fork", given->no_fork, "become the command, which holds the lock until it ends"));
  arguments.push_back(option("--kill-after", "TIME", given->kill_after,
                             "from TERM to KILL when the lock is lost (default 5s; or never)"));
  return {.about =
              "Waits until the lock is held, runs the command, releases the lock, and exits\n"
              "with the command's status. No two commands under the same lock and directory\n"
              "run at once. The letters mean what they mean to flock(1); a KEY is a name, not\n"
              "a file. The cache is made if it is missing.\n"
              "\n"
              "TERM, HUP, USR1 and USR2 are passed on to the command. If dcache is killed the\n"
              "lock stays held until the command, and what it started, has ended too; with -o\n"
              "it is free at once. If the lock is lost (its lease ends, somebody clears it) the\n"
              "command gets TERM, and KILL after a while.\n"
              "\n"
              "The command finds in its environment DCACHE_LOCK_KEY, DCACHE_LOCK_FENCE (a number\n"
              "that grows with every grant), DCACHE_LOCK_TOKEN (for `lock release` and `lock\n"
              "renew`) and, if the holder before died, DCACHE_LOCK_OWNER_DIED=1. A `dcache lock\n"
              "run` of the same key in it goes on at once, as the lock is held already. After -F\n"
              "the next holder always finds its predecessor dead: nobody released the lock.\n"
              "\n"
              "Who waits longer than 1 s on a terminal is told who holds the lock, for how long,\n"
              "and how many are ahead.\n"
              "\n"
              "Exit status: the command's, 128 + N if signal N ended it; 1 (or -E) if the\n"
              "lock was not to be had; 75 if it was lost while the command ran; 126 or 127 if\n"
              "the command cannot be run.",
          .examples =
              "  dcache lock run report -- make report\n"
              "  dcache lock run -n backup -- backup.sh || echo 'busy or failed'\n"
              "  dcache lock run -w 5 -E 99 backup -- backup.sh    # 99: not within 5 s\n"
              "  dcache lock run -s index -- search.sh    # several at once, but none beside -x\n"
              "  dcache lock run --permits 3 downloads -- curl -O \"$url\"    # at most 3 at once\n"
              "  dcache lock run --fair --lease 10m deploy -c 'cd /srv && make deploy'\n"
              "  dcache lock run --label nightly db -- sh -c 'dump | gzip > db.gz'\n",
          .arguments = std::move(arguments),
          .rest_name = "COMMAND...",
          .rest = &given->command,
          .rest_times = Argument::Times::optional,
          .run = [given](Context& context) { return run(context, *given); }};
}

}  // namespace dcache::cli
