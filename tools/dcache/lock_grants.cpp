// SPDX-License-Identifier: Apache-2.0
//
// Locks without a process behind them, for scripts: lock acquire, lock renew, lock release.
#include <memory>

#include "context.hpp"
#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "errors.hpp"
#include "lock_asking.hpp"
#include "lock_words.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

constexpr std::string_view kTokenHelp = "what `lock acquire` printed; default: $DCACHE_LOCK_TOKEN";

struct Named {
  std::string key;
  std::optional<std::string> token;
  Lifetime lease;

  /// Has `lock` take up the grant; whether it is still there.
  [[nodiscard]] bool adopt(LockHandle& lock) const {
    const std::vector<std::string> tokens = token ? split_tokens(*token) : tokens_above();
    if (tokens.empty()) throw UsageError("--token TOKEN is missing, and DCACHE_LOCK_TOKEN is not set");
    for (const std::string& one : tokens) {
      if (lock.adopt(one)) return true;
    }
    return false;
  }
};

int note_lost(const Context& context, const std::string& key) {
  context.note(lock_name(key) + " is not held with this token any more");
  return kNo;
}

int acquire(Context& context, const Asking& asking) {
  asking.check();
  Cache cache = context.open(Context::Missing::make);
  Grip grip(context, cache, asking, true);
  if (adopt_from_above(cache, grip.lock(), asking)) {
    throw Failure(kRefused, lock_name(asking.key) +
                                " is held by the command that this one runs under, so that waiting for it "
                                "would never end; DCACHE_LOCK_TOKEN is its token");
  }
  if (!grip.take()) return static_cast<int>(asking.busy_code.value_or(kNo));
  const std::string token = grip.lock().token();
  const std::uint64_t fence = grip.lock().fence();
  grip.lock().unlock();  // which leaves it to its lease
  if (context.for_programs()) {
    context.show({{"key", asking.key},
                  {"token", token},
                  {"fence", fence},
                  {"lease", asking.lease.time},
                  {"owner_died", grip.lock().previous_owner_died()}});
  } else {
    context.out().write(token + "\n");
  }
  return kDone;
}

int renew(Context& context, const Named& given) {
  Cache cache = context.open(Context::Missing::fail);
  SyncLock lock(cache, given.key, {.lease = given.lease.time});
  bool renewed = given.adopt(lock);
  if (renewed) {
    try {
      lock.renew();
    } catch (const LockLost&) {
      renewed = false;
    }
  }
  context.tell({{"key", given.key}, {"renewed", renewed}}, "");
  return renewed ? kDone : note_lost(context, given.key);
}

int release(Context& context, const Named& given) {
  Cache cache = context.open(Context::Missing::fail);
  SyncLock lock(cache, given.key);
  const bool released = given.adopt(lock) && lock.release() == Release::released;
  context.tell({{"key", given.key}, {"released", released}}, "");
  return released ? kDone : note_lost(context, given.key);
}

}  // namespace

Command build_lock_acquire() {
  const auto asking = std::make_shared<Asking>();
  std::vector<Argument> arguments = asking->arguments();
  for (Argument& argument : arguments) {
    if (shown_name(argument) == "--lease") argument.times = Argument::Times::required;
  }
  return {.about =
              "Waits until the lock is held, prints a token, and leaves the lock held: until\n"
              "`lock release` with the token, or the end of the lease, which is counted by the\n"
              "wall clock and goes on after a reboot. No process stands behind such a lock, so\n"
              "the lease is what ends it if the script dies. Where a command can be run under\n"
              "the lock, `lock run` is safer. The cache is made if it is missing.\n"
              "\n"
              "Exit status: 0 held, 1 (or -E) if it was not to be had.",
          .examples =
              "  token=$(dcache lock acquire deploy --lease 10m) || exit\n"
              "  ...\n"
              "  dcache lock renew deploy --token \"$token\" --lease 10m\n"
              "  dcache lock release deploy --token \"$token\"\n",
          .arguments = std::move(arguments),
          .run = [asking](Context& context) { return acquire(context, *asking); }};
}

Command build_lock_renew() {
  const auto given = std::make_shared<Named>();
  Argument lease = option("--lease", "TIME", given->lease, "the new lease, from now");
  lease.times = Argument::Times::required;
  return {.about =
              "Begins the lease of a lock anew. A lease that is over is renewed as long as\n"
              "nobody else got the lock. Exit status 1 if the lock was lost.",
          .examples =
              "  dcache lock renew deploy --token \"$token\" --lease 10m\n"
              "  dcache lock run --lease 1m job -c 'step1; dcache lock renew job --lease 1m; step2'\n",
          .arguments = {positional("KEY", given->key, Argument::Times::required, "the name of the lock"),
                        option("--token", "TOKEN", given->token, kTokenHelp), std::move(lease)},
          .run = [given](Context& context) { return renew(context, *given); }};
}

Command build_lock_release() {
  const auto given = std::make_shared<Named>();
  return {.about = "Gives back a lock that `lock acquire` got. Exit status 1 if it was lost before.",
          .examples = "  dcache lock release deploy --token \"$token\"\n",
          .arguments = {positional("KEY", given->key, Argument::Times::required, "the name of the lock"),
                        option("--token", "TOKEN", given->token, kTokenHelp)},
          .run = [given](Context& context) { return release(context, *given); }};
}

}  // namespace dcache::cli
