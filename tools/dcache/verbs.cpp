// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

#include <algorithm>
#include <array>

#include "suggest.hpp"

namespace dcache::cli {

namespace {

constexpr std::array kVerbs = {
    Verb{"get", "", Group::values, "print the value of a key", build_get},
    Verb{"set", "", Group::values, "store a value", build_set},
    Verb{"add", "", Group::values, "store a value unless the key is there", build_add},
    Verb{"pop", "", Group::values, "print the value of a key and remove it", build_pop},
    Verb{"delete", "", Group::values, "remove keys", build_delete},
    Verb{"touch", "", Group::values, "give a key another expiry", build_touch},
    Verb{"incr", "", Group::values, "add to a number", build_incr},
    Verb{"ls", "", Group::looking, "list the entries", build_ls},
    Verb{"entry", "", Group::looking, "show all that is known about a key", build_entry},
    Verb{"tags", "", Group::looking, "list the tags in use", build_tags},
    Verb{"stats", "", Group::looking, "show the numbers of the cache", build_stats},
    Verb{"config", "", Group::looking, "show and change the stored settings", build_config},
    Verb{"evict", "", Group::many, "remove the values that have a tag", build_evict},
    Verb{"expire", "", Group::many, "remove the values whose time is over", build_expire},
    Verb{"cull", "", Group::many, "remove values until the size limit is kept", build_cull},
    Verb{"clear", "", Group::many, "remove all values", build_clear},
    Verb{"push", "", Group::queues, "put a value into a queue", build_push},
    Verb{"pull", "", Group::queues, "take a value off a queue and print it", build_pull},
    Verb{"peek", "", Group::queues, "print the value that pull would take", build_peek},
    Verb{"ack", "", Group::queues, "remove an item on lease, as its work is done", build_ack},
    Verb{"nack", "", Group::queues, "give an item on lease back", build_nack},
    Verb{"check", "", Group::upkeep, "look for damage, and mend it", build_check},
    Verb{"backup", "", Group::upkeep, "copy all values to one file", build_backup},
    Verb{"restore", "", Group::upkeep, "make a cache from a backup", build_restore},
    Verb{"export", "", Group::upkeep, "write entries as JSON Lines", build_export},
    Verb{"import", "", Group::upkeep, "store entries from JSON Lines", build_import},
    Verb{"compact", "", Group::upkeep, "give unused space back to the disk", build_compact},
    Verb{"doctor", "", Group::upkeep, "tell what is wrong or slow, and the mend", build_doctor},
    Verb{"bench", "", Group::upkeep, "measure dcache on this disk beside raw SQLite", build_bench},
    Verb{"memo", "", Group::commands, "run a command, or show what it wrote before", build_memo},
    Verb{"once", "", Group::commands, "run a command unless it was done before", build_once},
    Verb{"throttle", "", Group::commands, "run a command at most so often", build_throttle},
    Verb{"lock run", "", Group::locks, "run a command while holding a lock", build_lock_run},
    Verb{"lock ls", "locks", Group::locks, "list the locks and who holds them", build_lock_ls},
    Verb{"lock show", "", Group::locks, "show who holds a lock and who waits for it", build_lock_show},
    Verb{"lock test", "", Group::locks, "tell whether a lock is held", build_lock_test},
    Verb{"lock wait", "", Group::locks, "wait until a lock is free", build_lock_wait},
    Verb{"lock acquire", "", Group::locks, "take a lock, and keep it until it is released",
         build_lock_acquire},
    Verb{"lock renew", "", Group::locks, "begin the lease of such a lock anew", build_lock_renew},
    Verb{"lock release", "", Group::locks, "give such a lock back", build_lock_release},
    Verb{"lock log", "", Group::locks, "show what happened to locks", build_lock_log},
    Verb{"lock clear", "", Group::locks, "remove a lock whose holder is gone", build_lock_clear},
};

/// What the same thing is called elsewhere.
struct Synonym {
  std::string_view word;
  std::string_view verb;
};
constexpr std::array kSynonyms = {
    Synonym{"version", "--version"},
    Synonym{"rm", "delete"},
    Synonym{"del", "delete"},
    Synonym{"remove", "delete"},
    Synonym{"erase", "delete"},
    Synonym{"unset", "delete"},
    Synonym{"take", "pop"},
    Synonym{"enqueue", "push"},
    Synonym{"dequeue", "pull"},
    Synonym{"queue", "push"},
    Synonym{"shift", "pull"},
    Synonym{"acknowledge", "ack"},
    Synonym{"put", "set"},
    Synonym{"store", "set"},
    Synonym{"list", "ls"},
    Synonym{"keys", "ls"},
    Synonym{"show", "entry"},
    Synonym{"exists", "entry"},
    Synonym{"info", "stats"},
    Synonym{"status", "stats"},
    Synonym{"settings", "config"},
    Synonym{"setting", "config"},
    Synonym{"configure", "config"},
    Synonym{"limit", "config"},
    Synonym{"size", "stats"},
    Synonym{"diagnose", "doctor"},
    Synonym{"health", "doctor"},
    Synonym{"benchmark", "bench"},
    Synonym{"speed", "bench"},
    Synonym{"shrink", "cull"},
    Synonym{"trim", "cull"},
    Synonym{"flush", "clear"},
    Synonym{"purge", "clear"},
    Synonym{"unlock", "lock release"},
    Synonym{"lock take", "lock acquire"},
    Synonym{"lock get", "lock acquire"},
    Synonym{"lock unlock", "lock release"},
    Synonym{"lock free", "lock release"},
    Synonym{"lock extend", "lock renew"},
    Synonym{"memoize", "memo"},
    Synonym{"cached", "memo"},
    Synonym{"limit-rate", "throttle"},
    Synonym{"flock", "lock run"},
    Synonym{"run", "lock run"},
    Synonym{"lslocks", "lock ls"},
    Synonym{"fsck", "check"},
    Synonym{"verify", "check"},
    Synonym{"repair", "check"},
    Synonym{"fix", "check"},
    Synonym{"copy", "backup"},
    Synonym{"snapshot", "backup"},
    Synonym{"save", "backup"},
    Synonym{"dump", "export"},
    Synonym{"load", "import"},
    Synonym{"vacuum", "compact"},
    Synonym{"optimize", "compact"},
    Synonym{"inc", "incr"},
    Synonym{"increment", "incr"},
    Synonym{"wait", "lock wait"},
    Synonym{"lock list", "lock ls"},
    Synonym{"lock info", "lock show"},
    Synonym{"lock entry", "lock show"},
    Synonym{"lock status", "lock show"},
    Synonym{"lock held", "lock test"},
    Synonym{"lock exec", "lock run"},
    Synonym{"lock delete", "lock clear"},
    Synonym{"lock rm", "lock clear"},
};

std::string joined(const std::vector<std::string>& words) {
  return words.size() < 2 || !is_family(words.front()) ? words.front() : words[0] + " " + words[1];
}

}  // namespace

std::span<const Verb> verbs() noexcept { return kVerbs; }

FoundVerb find_verb_named(const std::vector<std::string>& words) noexcept {
  for (const Verb& verb : kVerbs) {
    const std::size_t space = verb.name.find(' ');
    const bool two = space != std::string_view::npos;
    if (!words.empty() && (words[0] == verb.alias || (!two && words[0] == verb.name))) return {&verb, 1};
    if (two && words.size() >= 2 && words[0] == verb.name.substr(0, space) &&
        words[1] == verb.name.substr(space + 1)) {
      return {&verb, 2};
    }
  }
  return {};
}

bool is_family(std::string_view word) noexcept {
  return std::any_of(kVerbs.begin(), kVerbs.end(), [&](const Verb& verb) {
    return verb.name.size() > word.size() && verb.name.starts_with(word) && verb.name[word.size()] == ' ';
  });
}

std::optional<std::string_view> suggest_verb(const std::vector<std::string>& words) {
  if (words.empty()) return std::nullopt;
  const std::string wanted = joined(words);
  for (const Synonym& synonym : kSynonyms) {
    if (synonym.word == wanted) return synonym.verb;
  }
  std::vector<std::string_view> names = {"lock", "help"};
  for (const Verb& verb : kVerbs) {
    names.push_back(verb.name);
    if (!verb.alias.empty()) names.push_back(verb.alias);
  }
  return nearest(wanted, names);
}

}  // namespace dcache::cli
