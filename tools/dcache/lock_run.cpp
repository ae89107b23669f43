// SPDX-License-Identifier: Apache-2.0
//
// lock run: a command under a lock, as flock(1).
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>

#include "child.hpp"
#include "context.hpp"
#include "dcache/lock.hpp"
#include "errors.hpp"
#include "lock_words.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

/// Who waits this long on a terminal is told for whom.
constexpr auto kPatience = std::chrono::seconds(1);

struct Given {
  std::string key;
  std::vector<std::string> command;
  std::optional<std::string> script;
  bool no_wait = false;
  bool fair = false;
  std::optional<Duration> wait;
  std::optional<std::uint64_t> busy_code;
  Lifetime lease;
  std::string label;
  std::vector<std::string> tags;
};

/// Tells a person who looks on, once, for whom this waits.
class Teller {
 public:
  Teller(const Context& context, const Cache& cache, const std::string& key)
      : context_(context), cache_(cache), key_(key) {}

  void operator()(const Holder& holder, Duration waited) {
    if (told_ || waited < Duration(kPatience)) return;
    told_ = true;
    context_.note("waiting for " + lock_name(key_) + ", " + describe(holder) + ahead());
  }

 private:
  [[nodiscard]] std::string ahead() const {
    const std::optional<LockInfo> lock = find_lock(cache_, key_);
    if (!lock) return {};
    const auto own = std::find_if(lock->waiters.begin(), lock->waiters.end(),
                                  [](const Waiter& waiter) { return waiter.pid == ::getpid(); });
    const auto count = own - lock->waiters.begin();
    if (count == 0) return {};
    return ", " + std::to_string(count) + (count == 1 ? " waiter" : " waiters") + " ahead";
  }

  const Context& context_;
  const Cache& cache_;
  const std::string& key_;
  bool told_ = false;
};

std::vector<std::string> command_of(const Given& given) {
  if (!given.script) {
    if (given.command.empty()) throw UsageError("`-- COMMAND...` is missing, or -c");
    return given.command;
  }
  if (!given.command.empty()) throw UsageError("-c and a command after -- exclude each other");
  return {"/bin/sh", "-c", *given.script};
}

void set_environment(const LockHandle& lock) {
  // NOLINTBEGIN(concurrency-mt-unsafe): the process has one thread
  ::setenv("DCACHE_LOCK_KEY", lock.key().c_str(), 1);
  ::setenv("DCACHE_LOCK_FENCE", std::to_string(lock.fence()).c_str(), 1);
  if (lock.previous_owner_died()) {
    ::setenv("DCACHE_LOCK_OWNER_DIED", "1", 1);
  } else {
    ::unsetenv("DCACHE_LOCK_OWNER_DIED");
  }
  // NOLINTEND(concurrency-mt-unsafe)
}

int run(Context& context, const Given& given) {
  if (given.no_wait && given.wait) throw UsageError("-n and -w exclude each other");
  if (given.busy_code.value_or(0) > 255) throw UsageError("-E: an exit status is a number from 0 to 255");
  const std::vector<std::string> command = command_of(given);
  Cache cache = context.open(Context::Missing::make);
  LockOptions options{.timeout = forever,
                      .lease = given.lease.time,
                      .fair = given.fair,
                      .tags = given.tags,
                      .label = given.label};
  if (is_watched() && !context.globals().quiet) options.on_wait = Teller(context, cache, given.key);
  SyncLock lock(cache, given.key, std::move(options));
  if (!lock.try_lock_for(given.no_wait ? Duration() : given.wait.value_or(forever))) {
    context.note(lock_name(lock.key()) + " is " + describe(lock.holder()));
    return static_cast<int>(given.busy_code.value_or(kNo));
  }
  set_environment(lock);
  const int status = run_child(command);
  if (lock.release() == Release::released) return status;
  throw Failure(kTimeout, lock_name(lock.key()) + " was lost while the command ran (its exit status was " +
                              std::to_string(status) +
                              "): its lease ended or somebody cleared it; what it protects may be damaged");
}

}  // namespace

Command build_lock_run() {
  const auto given = std::make_shared<Given>();
  return {.about =
              "Waits until the lock is held, runs the command, releases the lock, and exits\n"
              "with the command's status. No two commands under the same lock and directory\n"
              "run at once. If dcache dies the lock is free again, even if its command goes\n"
              "on. The cache is made if it is missing.\n"
              "\n"
              "TERM, HUP, USR1 and USR2 are passed on to the command. It finds in its\n"
              "environment DCACHE_LOCK_KEY, DCACHE_LOCK_FENCE (a number that grows with every\n"
              "grant) and, if the holder before died, DCACHE_LOCK_OWNER_DIED=1.\n"
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
              "  dcache lock run --fair --lease 10m deploy -c 'cd /srv && make deploy'\n"
              "  dcache lock run --label nightly db -- sh -c 'dump | gzip > db.gz'\n",
          .arguments = {positional("KEY", given->key, Argument::Times::required, "the name of the lock"),
                        flag("-n,--nonblock", given->no_wait, "do not wait: give up at once if it is held"),
                        option("-w,--wait", "TIME", given->wait,
                               "wait at most so long; a plain number is seconds"),
                        option("-E,--conflict-exit-code", "N", given->busy_code,
                               "the exit status when the lock was not to be had (default 1)"),
                        option("-c,--command", "TEXT", given->script,
                               "run this by /bin/sh -c, in place of a command after --"),
                        flag("--fair", given->fair, "first come, first served: overtake nobody who waits"),
                        option("--lease", "TIME", given->lease,
                               "end the grant after this time, whether or not the command is done"),
                        option("--label", "TEXT", given->label, "what `dcache locks` shows beside the owner"),
                        option("-t,--tag", "TAG", given->tags,
                               "a tag of the grant, to select by in `dcache locks`")},
          .rest_name = "COMMAND...",
          .rest = &given->command,
          .rest_times = Argument::Times::optional,
          .run = [given](Context& context) { return run(context, *given); }};
}

}  // namespace dcache::cli
