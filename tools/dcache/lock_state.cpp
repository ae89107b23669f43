// SPDX-License-Identifier: Apache-2.0
//
// One lock, without taking it: lock show, lock test, lock wait.
#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "context.hpp"
#include "dcache/lock.hpp"
#include "errors.hpp"
#include "lock_words.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using std::chrono::steady_clock;

constexpr std::string_view kLockHelp = "the name of the lock";

constexpr auto kFirstPause = std::chrono::milliseconds(1);
constexpr auto kLongestPause = std::chrono::milliseconds(50);

Record with_type(const char* type, Record record) {
  record.insert(record.begin(), Field{"type", type});
  return record;
}

int note_free(const Context& context, const std::string& key) {
  context.note("nobody holds " + lock_name(key));
  return kNo;
}

void show_rows(Context& context, const LockInfo& lock) {
  for (const Holder& holder : lock.holders) context.show_row(with_type("holder", record_of(lock, holder)));
  for (const Waiter& waiter : lock.waiters) context.show_row(with_type("waiter", record_of(lock, waiter)));
}

void show_text(Context& context, const LockInfo& lock) {
  if (lock.holders.empty()) {
    context.show({{"key", lock.key}, {"kind", lock.kind}, {"state", "free"}, {"waiters", waiting(lock)}});
  }
  const char* gap = "";
  for (const Holder& holder : lock.holders) {
    context.out().write(gap);
    context.show(record_of(lock, holder));
    gap = "\n";
  }
  if (lock.waiters.empty()) return;
  context.out().write("\n");
  Table table(context.out(),
              {{"owner", "WAITER"},
               {"command", "COMMAND"},
               {"age", "WAITS", Column::Align::right},
               {"fair", "FAIR"},
               {"late", "LATE"},
               {"state", "STATE"}},
              Table::Layout::fit);
  for (const Waiter& waiter : lock.waiters) table.add(record_of(lock, waiter));
  table.end();
}

int show(Context& context, const std::string& key) {
  Cache cache = context.open(Context::Missing::fail);
  const SyncLock checked(cache, key);  // refuses a key that is too long
  const std::optional<LockInfo> lock = find_lock(cache, key);
  if (!lock) return note_free(context, key);
  if (lock->kind == "damaged") {
    throw Failure(kBadData, "the record of " + lock_name(key) +
                                " is damaged or of a newer version; `dcache lock clear --force` removes it");
  }
  if (context.for_programs()) {
    show_rows(context, *lock);
  } else {
    show_text(context, *lock);
  }
  return is_held(*lock) ? kDone : note_free(context, key);
}

/// Waits until nobody holds the lock who may still run, or its grant has changed: it was free in between.
/// It only looks. Whoever takes a lock from a dead holder is told so, and that must be one who uses it.
bool wait_until_free(const Context& context, const SyncLock& lock, Duration limit) {
  const auto began = steady_clock::now();
  const std::optional<Holder> first = lock.holder();
  bool told = false;
  steady_clock::duration pause = kFirstPause;
  for (std::optional<Holder> holder = first; holder && holder->fence == first->fence;
       holder = lock.holder()) {
    const steady_clock::duration waited = steady_clock::now() - began;
    if (!limit.is_forever() && waited >= limit.nanoseconds()) {
      context.note(lock_name(lock.key()) + " is " + describe(holder));
      return false;
    }
    if (!told && waited >= kPatience) {
      context.note("waiting for " + lock_name(lock.key()) + ", " + describe(holder));
      told = true;
    }
    if (!limit.is_forever()) pause = std::min(pause, limit.nanoseconds() - waited);
    std::this_thread::sleep_for(pause);
    pause = std::min<steady_clock::duration>(2 * pause, kLongestPause);
  }
  return true;
}

}  // namespace

Command build_lock_show() {
  const auto key = std::make_shared<std::string>();
  return {.about =
              "Shows all that is known about a lock: each holder, with the state as in\n"
              "`dcache lock ls`, and then who waits for it, first the one who is served first.\n"
              "FAIR: nobody overtakes it. LATE: it had its turn and did not come, as it is\n"
              "stopped or the machine very busy.\n"
              "\n"
              "With --json each line has a `type`: a `holder` has the fields of a line of\n"
              "`lock ls --json`; a `waiter` has key, kind, state, owner, pid, tid, command,\n"
              "age (seconds that it waits), fair, late, session and agent.\n"
              "\n"
              "Exit status 1 if nobody holds the lock who may still run; what a holder left\n"
              "that is gone is shown all the same.",
          .examples =
              "  dcache lock show report\n"
              "  dcache lock show report --json | jq 'select(.type == \"waiter\").pid'\n",
          .arguments = {positional("KEY", *key, Argument::Times::required, kLockHelp)},
          .run = [key](Context& context) { return show(context, *key); },
          .fields =
              "type key kind mode state owner pid tid command since age lease_left fence count waiters "
              "label tags session agent fair late"};
}

Command build_lock_test() {
  const auto key = std::make_shared<std::string>();
  return {.about =
              "Tells by its exit status alone whether a lock is held: 0 by somebody who may\n"
              "still run, 1 if it is free or its holder is gone. It may change at any time: to\n"
              "do something only while nobody holds it, use `dcache lock run -n`.",
          .examples =
              "  dcache lock test report && echo 'the report is being made'\n"
              "  until dcache lock test server; do sleep 0.1; done    # until it has started\n",
          .arguments = {positional("KEY", *key, Argument::Times::required, kLockHelp)},
          .run = [key](Context& context) -> int {
            Cache cache = context.open(Context::Missing::fail);
            const bool held = SyncLock(cache, *key).locked();
            if (context.for_programs()) context.show({{"key", *key}, {"held", held}});
            return held ? kDone : kNo;
          }};
}

Command build_lock_wait() {
  struct Given {
    std::string key;
    std::optional<Duration> wait;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Waits until a lock is free, or was free for a moment before the next one got\n"
              "it. A holder that is gone counts as none. The lock is looked at up to 20 times\n"
              "a second and never taken, so that nobody waits for this.\n"
              "\n"
              "Exit status: 0 free, 1 not within the time of -w.",
          .examples =
              "  dcache lock wait report && mail-report\n"
              "  dcache lock wait -w 30 deploy || echo 'still at it'\n",
          .arguments = {positional("KEY", given->key, Argument::Times::required, kLockHelp),
                        option("-w,--wait", "TIME", given->wait,
                               "wait at most so long; a plain number is seconds")},
          .run = [given](Context& context) -> int {
            Cache cache = context.open(Context::Missing::fail);
            const SyncLock lock(cache, given->key);
            const bool free = wait_until_free(context, lock, given->wait.value_or(forever));
            if (context.for_programs()) context.show({{"key", given->key}, {"free", free}});
            return free ? kDone : kNo;
          }};
}

}  // namespace dcache::cli
