// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a cache, or slow, and the mend: doctor.
#include "doctor.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "context.hpp"
#include "dcache/error.hpp"
#include "dcache/lock.hpp"
#include "errors.hpp"
#include "lock_words.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using State = Finding::State;

/// dcache cuts its log to less, unless it cannot.
constexpr std::uint64_t kLargeLog = 16 * kMiB;

const char* word_of(State state) noexcept {
  switch (state) {
    case State::ok:
      return "ok";
    case State::note:
      return "note";
    case State::warning:
      return "warning";
    case State::problem:
      break;
  }
  return "problem";
}

/// What the library says against the directory when it is opened with these options; nothing if it does not.
std::optional<std::string> objection(const Context& context, bool allow_shared, bool allow_network) {
  Globals strict = context.globals();
  strict.allow_shared = allow_shared;
  strict.allow_network = allow_network;
  try {
    static_cast<void>(Context(strict).open(Context::Missing::fail));
  } catch (const Unsupported& error) {
    return message_of(error);
  }
  return std::nullopt;
}

/// An objection is a problem unless the options accept it.
Finding from_objection(std::string_view check, const std::string& text, bool accepted) {
  const std::size_t end = text.find("; ");
  Finding finding{accepted ? State::warning : State::problem, check, text.substr(0, end)};
  if (end != std::string::npos) finding.mend = text.substr(end + 2);
  return finding;
}

Finding look_at_engine(const Stats& stats) {
  if (!stats.wal_reset_bug) return {State::ok, "engine", stats.engine};
  return {
      State::note, "engine",
      stats.engine +
          " can damage a database when a checkpoint races a writer; dcache runs its checkpoints while nobody "
          "can write, so that it does not happen",
      "nothing has to be done; SQLite 3.51.3 and later are without it. Keep other programs from writing to "
      "cache.db"};
}

Finding look_at_board(const Stats& stats, const std::filesystem::path& directory) {
  if (!stats.board) {
    return {State::warning, "board",
            "there can be no shared memory here: who waits for a lock looks again every 50 to 250 ms",
            "only the directory's owner can make the file `board`; remove one that is not his"};
  }
  if (::access((directory / "board").c_str(), F_OK) != 0) {
    return {State::ok, "board", "shared memory works; its file is made with the next write"};
  }
  return {State::ok, "board", "through shared memory who waits is woken, and reads are answered from memory"};
}

Finding look_at_size(const Cache& cache) {
  try {
    const Settings settings = cache.settings();
    const std::uint64_t bytes = cache.bytes();
    if (settings.size_limit == 0) return {State::ok, "size", short_size(bytes) + ", without a limit"};
    const auto percent = static_cast<std::uint64_t>(100 * static_cast<double>(bytes) /
                                                    static_cast<double>(settings.size_limit));
    const std::string text =
        short_size(bytes) + " of " + short_size(settings.size_limit) + " (" + std::to_string(percent) + " %)";
    if (settings.policy == Policy::none && percent >= 90) {
      return {State::warning, "size", text + ", and what does not fit is refused",
              "raise the limit with `dcache config size_limit`, or remove values"};
    }
    if (bytes > settings.size_limit) {
      return {State::note, "size", text,
              "`dcache cull` removes values by the policy, as the next write does"};
    }
    return {State::ok, "size", text};
  } catch (const Corrupt&) {
    return {State::problem, "size", "the stored settings cannot be read: nothing can be stored",
            "`dcache check --fix`, then `dcache config` to set them again"};
  }
}

Finding look_at_log(const Stats& stats) {
  const std::string text = "the log has " + short_size(stats.wal_bytes);
  if (stats.wal_bytes <= kLargeLog) return {State::ok, "log", text};
  return {State::warning, "log",
          text + ": a reader that stays open keeps it from being emptied, and reads get slow",
          "end programs that read in cache.db for long; the log is cut when the last writer closes"};
}

Finding look_at_garbage(const Stats& stats) {
  const std::uint64_t all = stats.entries + stats.expired;
  if (stats.expired > 1000 && stats.expired > all / 4) {
    return {State::note, "expired",
            std::to_string(stats.expired) + " of " + std::to_string(all) +
                " values are over and still take up space",
            "`dcache expire`"};
  }
  return {State::ok, "expired",
          std::to_string(stats.expired) + " of " + std::to_string(all) + " values are over"};
}

Finding look_at_free(const Stats& stats) {
  const std::string text = short_size(stats.free_bytes) + " of " + short_size(stats.database_bytes) +
                           " in the database are unused";
  if (stats.free_bytes <= 16 * kMiB || stats.free_bytes <= stats.database_bytes / 2) {
    return {State::ok, "unused", text};
  }
  return {State::note, "unused", text + ": kept for new values",
          "`dcache compact` gives it back to the disk"};
}

Finding look_at_clock(const Stats& stats) {
  constexpr auto kTolerance = std::chrono::seconds(60);
  const Duration ahead = stats.newest ? left_until(*stats.newest) : Duration();
  if (ahead <= kTolerance) return {State::ok, "clock", "nothing was stored later than now"};
  return {State::warning, "clock",
          "a value was stored " + short_duration(ahead) +
              " from now: the clock was set back, and values expire later than they should",
          "set the clock; `dcache ls --sort stored --reverse` shows the values"};
}

Findings look_at_locks(const Cache& cache) {
  std::uint64_t stale = 0;
  std::uint64_t unknown = 0;
  Findings found;
  const std::vector<LockInfo> all = locks(cache);
  for (const LockInfo& lock : all) {
    if (lock.kind == "damaged") {
      found.push_back({State::problem, "locks", "the record of " + lock_name(lock.key) + " cannot be read",
                       "dcache lock clear --force " + shell_word(lock.key)});
    }
    for (const Holder& holder : lock.holders) {
      if (is_over(holder)) ++stale;
      if (state_of(holder) == "unknown") ++unknown;
    }
  }
  if (unknown > 0) {
    found.push_back({State::warning, "locks",
                     "holders that cannot be told to be alive or dead: " + std::to_string(unknown) +
                         "; they ran elsewhere, or before these files were copied",
                     "`dcache locks` shows them; `dcache lock clear` frees those that are gone"});
  }
  if (stale > 0) {
    found.push_back({State::note, "locks",
                     "holders that are gone: " + std::to_string(stale) + "; who comes next gets their locks",
                     "`dcache lock ls --stale` shows them"});
  }
  if (found.empty()) found.push_back({State::ok, "locks", "in use: " + std::to_string(all.size())});
  return found;
}

Findings diagnose(const Context& context) {
  Findings found;
  const Globals& given = context.globals();
  const std::optional<std::string> owner = objection(context, false, true);
  const std::optional<std::string> place = objection(context, true, false);
  Globals lenient = given;
  lenient.allow_shared = lenient.allow_network = true;
  const Cache cache = Context(lenient).open(Context::Missing::fail);
  const Stats stats = cache.stats();
  found.push_back(look_at_engine(stats));
  if (stats.engine == "memory") return found;
  const std::filesystem::path& directory = cache.directory();
  if (owner) {
    found.push_back(from_objection("directory", *owner, given.allow_shared));
  } else {
    found.push_back({State::ok, "directory", in_quotes(directory.native()) + " is yours alone to change"});
  }
  found.push_back(look_at_files(directory));
  if (place) {
    found.push_back(from_objection("disk", *place, given.allow_network));
  } else {
    found.push_back({State::ok, "disk", file_system_of(directory) + ", which is fit for a cache"});
  }
  found.push_back(look_at_space(directory));
  const auto add = [&](Findings more) { std::move(more.begin(), more.end(), std::back_inserter(found)); };
  add(look_at_limits(stats));
  found.push_back(look_at_board(stats, directory));
  found.push_back(look_at_byte_locks(directory));
  found.push_back(look_at_size(cache));
  found.push_back(look_at_log(stats));
  found.push_back(look_at_garbage(stats));
  found.push_back(look_at_free(stats));
  found.push_back(look_at_leftovers(directory));
  found.push_back(look_at_clock(stats));
  add(look_at_locks(cache));
  return found;
}

void show(Context& context, const Finding& finding) {
  if (context.for_programs()) {
    context.show_row({{"state", word_of(finding.state)},
                      {"check", std::string(finding.check)},
                      {"text", finding.text},
                      {"mend", finding.mend.empty() ? Value() : Value(finding.mend)}});
    return;
  }
  constexpr std::size_t kStateWidth = 9;
  constexpr std::size_t kCheckWidth = 11;
  const std::string_view state = word_of(finding.state);
  const Paint paint = is_colored(STDOUT_FILENO) ? paint_of_state(state) : Paint::none;
  std::string line = painted(paint, state);
  line.append(kStateWidth - state.size(), ' ').append(finding.check);
  line.append(kCheckWidth - finding.check.size(), ' ').append(finding.text).append("\n");
  if (!finding.mend.empty()) line.append(kStateWidth + kCheckWidth, ' ').append("-> " + finding.mend + "\n");
  context.out().write(line);
}

int doctor(Context& context) {
  const Findings found = diagnose(context);
  for (const Finding& finding : found) show(context, finding);
  const auto count = [&](State state) {
    return std::count_if(found.begin(), found.end(), [&](const Finding& one) { return one.state == state; });
  };
  const auto problems = count(State::problem);
  if (!context.for_programs()) {
    context.tell({}, std::to_string(problems) + (problems == 1 ? " problem, " : " problems, ") +
                         std::to_string(count(State::warning)) +
                         (count(State::warning) == 1 ? " warning" : " warnings"));
  }
  return problems > 0 ? kNo : kDone;
}

}  // namespace

Command build_doctor() {
  return {.about =
              "Tells what is wrong with a cache or slow, and the mend: the engine, the disk,\n"
              "owners and modes, room, limits, shared memory and file locks, the size limit,\n"
              "the log, what is expired or unused, the clock, locks. It changes nothing, and\n"
              "reads no values: `dcache check` looks for damage, `dcache bench` measures.\n"
              "\n"
              "Each finding has a state:\n"
              "  ok       as it should be\n"
              "  note     harmless; something could be better\n"
              "  warning  it works, but slowly or not safely\n"
              "  problem  something does not work, or can lose data\n"
              "With --json a finding has state, check (what was looked at), text and mend.\n"
              "\n"
              "Exit status: 0 if there is no problem, 1 otherwise.",
          .examples =
              "  dcache doctor\n"
              "  dcache doctor --dir /var/cache/app || alert\n"
              "  dcache doctor --json | jq -r 'select(.state != \"ok\").text'\n",
          .run = [](Context& context) { return doctor(context); },
          .fields = "state check text mend"};
}

}  // namespace dcache::cli
