// SPDX-License-Identifier: Apache-2.0
//
// Looking at locks and clearing them: lock ls, lock clear.
#include "dcache/lock.hpp"

#include <memory>

#include "context.hpp"
#include "errors.hpp"
#include "lock_words.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

struct Clearing {
  std::string key;
  std::optional<std::uint64_t> fence;
  bool force = false;
};

std::string command_to_force(const Context& context, const Clearing& given,
                             std::optional<std::uint64_t> fence) {
  std::string text = "dcache";
  if (context.globals().dir) text += " --dir " + shell_word(*context.globals().dir);
  text += " lock clear";
  if (fence) text += " --fence " + std::to_string(*fence);
  return text + " --force " + (given.key.starts_with('-') ? "-- " : "") + shell_word(given.key);
}

/// Why a lock was not cleared, and what would clear it.
std::string why_refused(const Context& context, const Cache& cache, const Clearing& given) {
  const std::string what = lock_name(given.key) + " was not cleared: ";
  const std::optional<LockInfo> lock = find_lock(cache, given.key);
  if (lock && lock->kind == "damaged") {
    return what + "its record is damaged; to remove it: " + command_to_force(context, given, std::nullopt);
  }
  if (!lock || lock->holders.empty()) return what + "it was changing hands; try again";
  const Holder& holder = lock->holders.front();
  const std::string state = state_of(holder);
  std::string text = what;
  if (given.fence && *given.fence != holder.fence) {
    text += "its fence is not " + std::to_string(*given.fence) + "; ";
  }
  text += "held by " + escape(holder.owner) + " (" + escape(holder.command.empty() ? "?" : holder.command) +
          ", " + state + ")";
  if (!holder.label.empty()) text += " labelled " + in_quotes(holder.label);
  text += " for " + short_duration(age_of(holder.since)) + " with fence " + std::to_string(holder.fence);
  return text + "; if that holder must lose it: " + command_to_force(context, given, holder.fence);
}

int clear(Context& context, const Clearing& given) {
  Cache cache = context.open(Context::Missing::fail);
  const Cleared cleared = clear_lock(cache, given.key, {.fence = given.fence, .force = given.force});
  const char* const result = cleared == Cleared::cleared  ? "cleared"
                             : cleared == Cleared::absent ? "absent"
                                                          : "refused";
  context.tell({{"key", given.key}, {"result", result}}, "");
  if (cleared == Cleared::refused) throw Failure(kRefused, why_refused(context, cache, given));
  if (cleared == Cleared::absent) context.note("nobody holds " + lock_name(given.key));
  return cleared == Cleared::cleared ? kDone : kNo;
}

}  // namespace

Command build_lock_ls() {
  struct Given {
    std::string prefix;
    std::vector<std::string> tags;
    bool stale = false;
    bool waiters = false;
  };
  const auto given = std::make_shared<Given>();
  return {
      .about =
          "Lists the locks that are held, and those whose holder is gone and that nobody\n"
          "has taken since, or that somebody waits for. States:\n"
          "  live     its holder runs\n"
          "  leased   its holder runs, and loses it when LEASE is over\n"
          "  kept     stays held until LEASE is over, whether or not its holder runs\n"
          "  expired  its lease is over: the next one gets it\n"
          "  dead     its holder is gone: the next one gets it\n"
          "  unknown  whether its holder runs cannot be told from here\n"
          "  free     nobody holds it: who waits for it has not come yet, as it is stopped\n"
          "  waits    not a holder, but one who waits, for AGE by now (with --waiters)\n"
          "A record that cannot be read is of kind 'damaged': lock clear --force removes it.",
      .examples =
          "  dcache locks\n"
          "  dcache lock ls nightly: --tag db\n"
          "  dcache lock ls --stale\n"
          "  dcache locks --json | jq -r 'select(.state == \"dead\").key'\n",
      .arguments = {positional("PREFIX", given->prefix, Argument::Times::optional,
                               "only locks whose names begin with it"),
                    option("-t,--tag", "TAG", given->tags, "only locks whose holder has the tag"),
                    flag("-s,--stale", given->stale, "only locks whose holders have all ended"),
                    flag("--waiters", given->waiters, "a line for each who waits as well, in their order")},
      .run = [given](Context& context) -> int {
        const Cache cache = context.open(Context::Missing::fail);
        using Align = Column::Align;
        Listing listing(context,
                        {{"key", "KEY"},
                         {"kind", "KIND"},
                         {"state", "STATE"},
                         {"owner", "OWNER"},
                         {"command", "COMMAND"},
                         {"age", "AGE", Align::right},
                         {"lease_left", "LEASE", Align::right},
                         {"fence", "FENCE"},
                         {"count", "COUNT", Align::right},
                         {"waiters", "WAITING", Align::right},
                         {"label", "LABEL"}},
                        Table::Layout::fit);
        std::vector<LockInfo> found = locks(cache, {.prefix = given->prefix, .tags = given->tags});
        if (given->stale) {
          std::erase_if(found, [](const LockInfo& lock) { return lock.holders.empty() || is_held(lock); });
        }
        for (const LockInfo& lock : found) {
          for (const Holder& holder : lock.holders) listing.add(record_of(lock, holder));
          if (given->waiters) {
            for (const Waiter& waiter : lock.waiters) listing.add(record_of(lock, waiter));
          }
          if (!lock.holders.empty()) continue;
          if (lock.kind == "damaged") {
            listing.add({{"key", lock.key}, {"kind", lock.kind}});
          } else if (!given->waiters) {
            listing.add({{"key", lock.key},
                         {"kind", lock.kind},
                         {"state", std::string("free")},
                         {"waiters", static_cast<std::uint64_t>(lock.waiters.size())}});
          }
        }
        listing.end();
        if (found.empty()) context.note("no locks");
        return kDone;
      }};
}

Command build_lock_clear() {
  const auto given = std::make_shared<Clearing>();
  return {.about =
              "Removes a lock whose holder is dead or whose lease is over. Of a holder that may\n"
              "be alive it needs both --fence and --force; that holder then finds its lock\n"
              "lost, but keeps running: stop it first. A damaged record needs only --force.\n"
              "\n"
              "Exit status: 0 cleared, 1 nothing to clear, 77 refused, with a description of\n"
              "the holder and what to type to force it.",
          .examples =
              "  dcache lock clear report\n"
              "  dcache lock clear report --fence 1763676301123456 --force\n",
          .arguments = {positional("KEY", given->key, Argument::Times::required, "the name of the lock"),
                        option("--fence", "N", given->fence, "clear only the grant with this number"),
                        flag("--force", given->force, "clear it although its holder may be alive")},
          .run = [given](Context& context) { return clear(context, *given); }};
}

}  // namespace dcache::cli
