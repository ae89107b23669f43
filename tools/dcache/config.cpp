// SPDX-License-Identifier: Apache-2.0
//
// The settings that are stored with a cache: config.
#include <array>
#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "context.hpp"
#include "dcache/error.hpp"
#include "errors.hpp"
#include "settings.hpp"
#include "suggest.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

constexpr std::string_view kLimit = "size_limit";
constexpr std::string_view kPolicy = "policy";
constexpr std::string_view kShards = "shards";

constexpr std::array<std::pair<Policy, std::string_view>, 5> kPolicies{{{Policy::sieve, "sieve"},
                                                                        {Policy::lru, "lru"},
                                                                        {Policy::lfu, "lfu"},
                                                                        {Policy::oldest, "oldest"},
                                                                        {Policy::none, "none"}}};

/// An empty cache has some pages, and the least value needs a few more.
constexpr std::uint64_t kLeastLimit = std::uint64_t{64} << 10;

[[noreturn]] void refuse_key(const std::string& key) {
  std::string text = "unknown setting " + in_quotes(key, 80) + "; ";
  if (const auto near = nearest(key, {kLimit, kPolicy, kShards})) {
    text.append("did you mean '").append(*near).append("'? ");
  }
  throw UsageError(text + "there are " + std::string(kLimit) + ", " + std::string(kPolicy) + " and " +
                   std::string(kShards));
}

std::uint64_t to_limit(const std::string& text) {
  if (text == "none" || text == "0") return 0;
  const std::optional<std::uint64_t> bytes = parse_size(text);
  if (!bytes) {
    throw UsageError("size_limit " + in_quotes(text, 80) + " is not a size: write 500M, 10GiB, or none");
  }
  if (*bytes < kLeastLimit) {
    throw UsageError("size_limit " + in_quotes(text, 80) + " is too small: give " + short_size(kLeastLimit) +
                     " or more, or none");
  }
  return *bytes;
}

Policy to_policy(const std::string& text) {
  std::vector<std::string_view> names;
  for (const auto& [policy, name] : kPolicies) {
    if (text == name) return policy;
    names.push_back(name);
  }
  std::string why = "policy " + in_quotes(text, 80) + " is not known: it is sieve, lru, lfu, oldest or none";
  if (const auto near = nearest(text, names)) {
    why.append(" (did you mean '").append(*near).append("'?)");
  }
  throw UsageError(why);
}

Value shown_limit(const Context& context, std::uint64_t limit) {
  if (limit > 0) return Size{limit};
  return context.for_programs() ? Value() : Value("none");
}

std::uint32_t to_shards(const std::string& text) {
  std::uint32_t shards = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), shards);
  if (failed != std::errc{} || end != text.data() + text.size() || shards < 1 || shards > kMaxShards) {
    throw UsageError("shards " + in_quotes(text, 80) + " is not a number from 1 to " +
                     std::to_string(kMaxShards));
  }
  return shards;
}

Record settings_record(const Context& context, const Settings& settings, std::uint64_t shards) {
  return {{kLimit, shown_limit(context, settings.size_limit)},
          {kPolicy, std::string(name_of(settings.policy))},
          {kShards, shards}};
}

int show(Context& context, const std::optional<std::string>& key) {
  const Cache cache = context.open(Context::Missing::fail);
  const Record all = settings_record(context, cache.settings(), cache.shards());
  if (!key) {
    context.show(all);
    return kDone;
  }
  const Field& field = *key == kLimit ? all[0] : *key == kPolicy ? all[1] : all[2];
  if (context.for_programs()) {
    context.show({field});
  } else {
    context.out().write(to_text(field.value) + "\n");
  }
  return kDone;
}

/// Makes a cache, or looks that it was made so.
int make(Context& context, std::uint32_t shards) {
  const Cache cache = context.open(Context::Missing::make, shards);
  context.tell(settings_record(context, cache.settings(), cache.shards()), "");
  return kDone;
}

int change(Context& context, const std::string& key, const std::string& value) {
  if (key == kShards) return make(context, to_shards(value));
  Settings wanted;
  if (key == kLimit) {
    wanted.size_limit = to_limit(value);
  } else {
    wanted.policy = to_policy(value);
  }
  Cache cache = context.open(Context::Missing::make);
  if (const std::uint64_t least = kLeastLimit * cache.shards();
      wanted.size_limit != 0 && wanted.size_limit < least) {
    throw UsageError("size_limit " + in_quotes(value, 80) + " is too small for " +
                     std::to_string(cache.shards()) + " shards: give " + short_size(least) +
                     " or more, or none");
  }
  Settings now;
  cache.configure([&](Settings& settings) {
    if (key == kLimit) {
      settings.size_limit = wanted.size_limit;
    } else {
      settings.policy = wanted.policy;
    }
    now = settings;
  });
  context.tell(settings_record(context, now, cache.shards()), "");
  if (now.size_limit > 0 && cache.bytes() > now.size_limit) {
    context.note("the cache has " + short_size(cache.bytes()) + ", more than its limit of " +
                 short_size(now.size_limit) +
                 (now.policy != Policy::none
                      ? "; the next write removes values by the policy, and `dcache cull` does at once"
                      : ", and its policy is to remove nothing: nothing can be stored until you delete or "
                        "evict values"));
  }
  return kDone;
}

}  // namespace

std::string_view name_of(Policy policy) noexcept {
  for (const auto& [known, name] : kPolicies) {
    if (known == policy) return name;
  }
  return {};
}

Command build_config() {
  struct Given {
    std::optional<std::string> key;
    std::optional<std::string> value;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Shows the settings that are stored with the cache and hold for all its users,\n"
              "shows one of them, or changes it. Settings:\n"
              "  size_limit  what the cache may take up: pages of the database in use, and\n"
              "              value files; none (default) or 64K and more. K, M, G and T, also\n"
              "              as KiB, MiB, ..., are powers of 1024; KB, MB, ... are powers of\n"
              "              1000. After a write the cache is within it.\n"
              "  policy      what is removed for the limit: sieve (default), what was not read\n"
              "              since it was last passed over; lru, what was read longest ago; lfu,\n"
              "              what was read least often; oldest, what was inserted first; or none,\n"
              "              and what does not fit is refused\n"
              "  shards      of how many databases the cache is made, 1 (default) to 64, for\n"
              "              when many processes write more than one takes; given when it is\n"
              "              made, and never changed\n"
              "\n"
              "A lower limit removes nothing by itself: the next write does, or `dcache cull`.\n"
              "The cache is made if it is missing and a setting is changed.",
          .examples =
              "  dcache config\n"
              "  dcache config size_limit 500M && dcache cull\n"
              "  dcache config size_limit none\n"
              "  dcache config policy --plain\n"
              "  dcache --dir new config shards 4\n",
          .arguments = {positional("SETTING", given->key, Times::optional, "which one"),
                        positional("VALUE", given->value, Times::optional, "what it becomes")},
          .run = [given](Context& context) -> int {
            const bool known =
                !given->key || *given->key == kLimit || *given->key == kPolicy || *given->key == kShards;
            if (!known) refuse_key(*given->key);
            return given->value ? change(context, *given->key, *given->value) : show(context, given->key);
          }};
}

}  // namespace dcache::cli
