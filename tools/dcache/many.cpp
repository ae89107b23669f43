// SPDX-License-Identifier: Apache-2.0
//
// Verbs that remove many values: evict, expire, cull, clear.
#include <memory>

#include "confirm.hpp"
#include "context.hpp"
#include "errors.hpp"
#include "progress.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

int tell_count(Context& context, std::string_view name, std::uint64_t count) {
  context.tell({{name, count}}, std::to_string(count));
  return kDone;
}

}  // namespace

Command build_evict() {
  struct Given {
    std::vector<std::string> tags;
    bool all = false;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Removes the values that have any of the tags and prints how many.\n"
              "Exit status 0 also if there was none.",
          .examples =
              "  dcache evict pages\n"
              "  dcache evict pages eu --all     # those that are tagged pages and eu\n",
          .arguments = {positional("TAG", given->tags, Argument::Times::some, "a tag"),
                        flag("-a,--all", given->all, "only values that have all of the tags")},
          .run = [given](Context& context) -> int {
            Cache cache = context.open(Context::Missing::fail);
            return tell_count(context, "evicted", [&] {
              Progress progress(context, "evicting");
              return cache.evict(given->tags, given->all ? Match::all : Match::any, progress.callback());
            }());
          }};
}

Command build_expire() {
  return {.about =
              "Removes the values whose time is over and prints how many. Nobody sees\n"
              "such values; removing them frees their space.",
          .examples = "  dcache expire\n",
          .run = [](Context& context) -> int {
            return tell_count(context, "expired", context.open(Context::Missing::fail).expire());
          }};
}

Command build_cull() {
  return {.about =
              "Removes the values whose time is over, then others by the cache's policy until it\n"
              "is within its size limit, if it has one, and prints how many went. Writes do\n"
              "this by themselves; it is of use after the limit was lowered.",
          .examples =
              "  dcache cull\n"
              "  dcache cull --json | jq .culled\n",
          .run = [](Context& context) -> int {
            return tell_count(context, "culled", context.open(Context::Missing::fail).cull());
          }};
}

Command build_clear() {
  struct Given {
    bool yes = false;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Removes all values and prints how many. Locks stay. It asks first on a\n"
              "terminal, and needs --yes elsewhere.",
          .examples =
              "  dcache clear\n"
              "  dcache clear --yes --dir /var/cache/app\n",
          .arguments = {flag("-y,--yes", given->yes, "do not ask")},
          .run = [given](Context& context) -> int {
            if (!given->yes && !can_ask()) {
              throw UsageError("this removes all values; give --yes if that is meant");
            }
            Cache cache = context.open(Context::Missing::fail);
            if (!given->yes && !confirmed("remove all " + std::to_string(cache.size()) + " values in " +
                                          in_quotes(cache.directory().native()) + "?")) {
              context.note("nothing was removed");
              return kNo;
            }
            return tell_count(context, "cleared", [&] {
              Progress progress(context, "clearing");
              const std::uint64_t total = cache.size();
              return cache.clear([&](std::uint64_t done, std::uint64_t) { progress.update(done, total); });
            }());
          }};
}

}  // namespace dcache::cli
