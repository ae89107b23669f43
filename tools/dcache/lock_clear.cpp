// SPDX-License-Identifier: Apache-2.0
//
// lock clear: one lock, or many.
#include <memory>

#include "confirm.hpp"
#include "context.hpp"
#include "dcache/lock.hpp"
#include "errors.hpp"
#include "lock_words.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

struct Clearing {
  std::optional<std::string> key;
  std::optional<std::uint64_t> fence;
  bool force = false;
  bool stale = false;
  bool all = false;
  std::vector<std::string> tags;
  bool yes = false;
  bool dry_run = false;

  [[nodiscard]] bool many() const { return stale || all || !tags.empty(); }

  void check() const {
    if (key && many()) throw UsageError("KEY excludes --stale, --tag and --all");
    if (!key && !many()) throw UsageError("KEY is missing, or --stale, --tag TAG or --all");
    if (many() && (fence || force))
      throw UsageError("--fence and --force are for one KEY; --yes is for many");
    if (stale && all) throw UsageError("--stale and --all exclude each other");
    if (stale && yes)
      throw UsageError("--stale and --yes exclude each other: --stale clears no live holder's lock");
  }
};

std::string command_to_force(const Context& context, const std::string& key,
                             std::optional<std::uint64_t> fence) {
  std::string text = "dcache";
  if (context.globals().dir) text += " --dir " + shell_word(*context.globals().dir);
  text += " lock clear";
  if (fence) text += " --fence " + std::to_string(*fence);
  return text + " --force " + (key.starts_with('-') ? "-- " : "") + shell_word(key);
}

std::string in_full(const Holder& holder) {
  std::string text = "held by " + escape(holder.owner) + " (" +
                     escape(holder.command.empty() ? "?" : holder.command) + ", " + state_of(holder) + ")";
  if (!holder.label.empty()) text += " labelled " + in_quotes(holder.label);
  return text + " for " + short_duration(age_of(holder.since)) + " with fence " +
         std::to_string(holder.fence);
}

/// Why a lock was not cleared, and what would clear it.
std::string why_refused(const Context& context, const std::optional<LockInfo>& lock, const Clearing& given) {
  const std::string what = lock_name(*given.key) + " was not cleared: ";
  if (lock && lock->kind == "damaged") {
    return what +
           "its record is damaged; to remove it: " + command_to_force(context, *given.key, std::nullopt);
  }
  if (!lock || lock->holders.empty()) return what + "it was changing hands; try again";
  const Holder& holder = lock->holders.front();
  std::string text = what;
  if (given.fence && *given.fence != holder.fence) {
    text += "its fence is not " + std::to_string(*given.fence) + "; ";
  }
  return text + in_full(holder) +
         "; if that holder must lose it: " + command_to_force(context, *given.key, holder.fence);
}

/// What `clear_lock` would do.
Cleared would_clear(const std::optional<LockInfo>& lock, const Clearing& given) {
  if (!lock) return Cleared::absent;
  if (lock->kind == "damaged") return given.force ? Cleared::cleared : Cleared::refused;
  if (lock->holders.empty()) return Cleared::absent;
  for (const Holder& holder : lock->holders) {
    if (given.fence && holder.fence != *given.fence) continue;
    if (is_over(holder) || (given.fence && given.force)) return Cleared::cleared;
  }
  return Cleared::refused;
}

const char* word_of(Cleared cleared) {
  return cleared == Cleared::cleared ? "cleared" : cleared == Cleared::absent ? "absent" : "refused";
}

/// One line a lock, in whatever form.
void tell_result(Context& context, const std::string& key, Cleared result, const std::string& text) {
  const Record record = {{"key", key}, {"result", word_of(result)}};
  if (context.for_programs()) {
    context.show_row(record);
  } else {
    context.tell(record, text);
  }
}

int clear_one(Context& context, const Clearing& given) {
  Cache cache = context.open(Context::Missing::fail);
  const Cleared cleared = given.dry_run
                              ? would_clear(find_lock(cache, *given.key), given)
                              : clear_lock(cache, *given.key, {.fence = given.fence, .force = given.force});
  tell_result(context, *given.key, cleared, "");
  if (cleared == Cleared::refused) {
    throw Failure(kRefused, why_refused(context, find_lock(cache, *given.key), given));
  }
  if (cleared == Cleared::absent) context.note("nobody holds " + lock_name(*given.key));
  if (given.dry_run && cleared == Cleared::cleared) context.note("would clear " + lock_name(*given.key));
  return cleared == Cleared::cleared ? kDone : kNo;
}

/// Clears what a lock's holders left, and with --yes what they hold; whether any of it was left alone.
class Sweep {
 public:
  Sweep(Context& context, Cache& cache, const Clearing& given)
      : context_(context), cache_(cache), given_(given) {}

  void take(const LockInfo& lock) {
    if (lock.kind == "damaged") {
      if (given_.all)
        tell(lock.key, Cleared::cleared, [&] { return clear_lock(cache_, lock.key, {.force = true}); });
      return;
    }
    for (const Holder& holder : lock.holders) {
      const bool over = is_over(holder);
      if (given_.stale && !over) continue;
      if (!over && !given_.yes) {
        tell(lock.key, Cleared::refused, [] { return Cleared::refused; });
        complain(lock_name(lock.key) + " was not cleared: " + in_full(holder));
        ++refused_;
        continue;
      }
      tell(lock.key, Cleared::cleared,
           [&] { return clear_lock(cache_, lock.key, {.fence = holder.fence, .force = !over}); });
    }
  }

  [[nodiscard]] std::uint64_t cleared() const noexcept { return cleared_; }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  template <class F>
  void tell(const std::string& key, Cleared expected, F clear) {
    const Cleared result = given_.dry_run ? expected : clear();
    tell_result(context_, key, result, result == Cleared::cleared ? escape(key) : std::string());
    if (result == Cleared::cleared) ++cleared_;
  }

  Context& context_;
  Cache& cache_;
  const Clearing& given_;
  std::uint64_t cleared_ = 0;
  std::uint64_t refused_ = 0;
};

std::uint64_t live_holders(const std::vector<LockInfo>& all) {
  std::uint64_t live = 0;
  for (const LockInfo& lock : all) {
    for (const Holder& holder : lock.holders) live += is_over(holder) ? 0 : 1;
  }
  return live;
}

int clear_many(Context& context, const Clearing& asked) {
  Clearing given = asked;
  Cache cache = context.open(Context::Missing::fail);
  const std::vector<LockInfo> all = locks(cache, {.tags = given.tags});
  if (given.all && !given.yes && !given.dry_run) {
    if (!can_ask())
      throw UsageError("--all clears locks that are in use as well; give --yes if that is meant");
    if (!confirmed("clear " + std::to_string(all.size()) + " locks, with " +
                   std::to_string(live_holders(all)) + " holders that may still run?")) {
      context.note("nothing was cleared");
      return kNo;
    }
  }
  given.yes = given.yes || given.all;
  Sweep sweep(context, cache, given);
  for (const LockInfo& lock : all) sweep.take(lock);
  if (sweep.refused() > 0) {
    throw Failure(kRefused, std::to_string(sweep.refused()) +
                                (sweep.refused() == 1 ? " holder" : " holders") +
                                " may still run; to clear their locks all the same add --yes");
  }
  if (sweep.cleared() == 0) context.note("nothing to clear");
  return sweep.cleared() > 0 ? kDone : kNo;
}

}  // namespace

Command build_lock_clear() {
  const auto given = std::make_shared<Clearing>();
  return {.about =
              "Removes a lock whose holder is dead or whose lease is over. Of a holder that may\n"
              "be alive it needs both --fence and --force; that holder then finds its lock\n"
              "lost, but keeps running: stop it first. A damaged record needs only --force.\n"
              "\n"
              "--stale, --tag or --all in place of KEY clear many, and print the key of each.\n"
              "With --tag locks of holders that may be alive are left and listed, unless --yes\n"
              "is given; with --all they are cleared too: it asks first on a terminal, and needs\n"
              "--yes elsewhere.\n"
              "\n"
              "Exit status: 0 cleared, 1 nothing to clear, 77 refused, with a description of\n"
              "the holder and what to type to force it.",
          .examples =
              "  dcache lock clear report\n"
              "  dcache lock clear report --fence 1763676301123456 --force\n"
              "  dcache lock clear --stale\n"
              "  dcache lock clear --all --dry-run\n",
          .arguments = {positional("KEY", given->key, Argument::Times::optional, "the name of the lock"),
                        option("--fence", "N", given->fence, "clear only the grant with this number"),
                        flag("--force", given->force, "clear it although its holder may be alive"),
                        flag("-s,--stale", given->stale, "all locks whose holders have ended"),
                        option("-t,--tag", "TAG", given->tags, "all locks whose holder has the tag"),
                        flag("-a,--all", given->all, "all locks"),
                        flag("-y,--yes", given->yes, "do not ask, and clear what is in use too"),
                        flag("--dry-run", given->dry_run, "clear nothing, only say what would be")},
          .run =
              [given](Context& context) {
                given->check();
                return given->key ? clear_one(context, *given) : clear_many(context, *given);
              },
          .fields = "key result"};
}

}  // namespace dcache::cli
