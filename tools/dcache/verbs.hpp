// SPDX-License-Identifier: Apache-2.0
//
// The table of verbs. A row costs nothing; only the verb that the command line names is built.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"

namespace dcache::cli {

enum class Group { values, many, looking, queues, upkeep, commands, locks };

struct Verb {
  std::string_view name;   ///< "get", or "lock run" for a verb of a family
  std::string_view alias;  ///< another name for it, or nothing
  Group group;
  std::string_view summary;
  Command (*build)();
};

[[nodiscard]] std::span<const Verb> verbs() noexcept;

/// The verb that `words` begin with, and how many of them its name has.
struct FoundVerb {
  const Verb* verb = nullptr;
  std::size_t words = 0;
};
[[nodiscard]] FoundVerb find_verb_named(const std::vector<std::string>& words) noexcept;

/// Whether `word` is the first word of verbs that have two ("lock").
[[nodiscard]] bool is_family(std::string_view word) noexcept;

/// The verb or the words for it that people mean when they type `words`, which name no verb.
[[nodiscard]] std::optional<std::string_view> suggest_verb(const std::vector<std::string>& words);

// values.cpp
Command build_get();
Command build_set();
Command build_add();
Command build_pop();
Command build_delete();
Command build_touch();
Command build_incr();
// many.cpp
Command build_evict();
Command build_expire();
Command build_cull();
Command build_clear();
// looking.cpp
Command build_ls();
Command build_tags();
Command build_entry();
Command build_stats();
// config.cpp
Command build_config();
// queues.cpp
Command build_push();
Command build_pull();
Command build_peek();
Command build_ack();
Command build_nack();
// upkeep.cpp
Command build_check();
// backup.cpp
Command build_backup();
Command build_restore();
Command build_compact();
// export.cpp
Command build_export();
// import.cpp
Command build_import();
// doctor.cpp
Command build_doctor();
// bench.cpp
Command build_bench();
// memo.cpp
Command build_memo();
// once.cpp
Command build_once();
// throttle.cpp
Command build_throttle();
// locks.cpp
Command build_lock_ls();
// lock_log.cpp
Command build_lock_log();
// lock_clear.cpp
Command build_lock_clear();
// lock_grants.cpp
Command build_lock_acquire();
Command build_lock_renew();
Command build_lock_release();
// lock_state.cpp
Command build_lock_show();
Command build_lock_test();
Command build_lock_wait();
// lock_run.cpp
Command build_lock_run();

}  // namespace dcache::cli
