// SPDX-License-Identifier: Apache-2.0
//
// Verbs on single values: get, set, add, pop, delete, touch, incr.
#include <memory>
#include <span>

#include "context.hpp"
#include "dcache/error.hpp"
#include "errors.hpp"
#include "text.hpp"
#include "value_bytes.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

constexpr std::string_view kKeyHelp = "the key: any bytes, at most 4096";
constexpr std::string_view kExpireHelp = "life from now: 90s, 10m, 2h, 7d, 500ms, 1h30m; never (default)";

struct Storing {
  std::string key;
  std::optional<std::string> value;
  std::vector<std::string> tags;
  Lifetime expire;

  [[nodiscard]] SetOptions options() const { return {.expire = expire.time, .tags = tags}; }

  [[nodiscard]] std::vector<Argument> arguments() {
    return {positional("KEY", key, Times::required, kKeyHelp),
            positional("VALUE", value, Times::optional,
                       "the value: at most 1 GiB; - or nothing reads it from stdin"),
            option("-t,--tag", "TAG", tags, "a tag of the value"),
            option("-e,--expire", "TIME", expire, kExpireHelp)};
  }
};

int refuse_absent(const Context& context, const std::string& key) {
  context.note("there is no entry " + in_quotes(key));
  return kNo;
}

}  // namespace

Command build_get() {
  struct Given {
    std::string key;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Prints the value: its exact bytes, with a newline added only on a terminal.\n"
              "Exit status 1 if the key is absent or its time is over.",
          .examples =
              "  dcache get greeting\n"
              "  dcache get logo > logo.png\n"
              "  page=$(dcache get page) || page=$(make-page)\n",
          .arguments = {positional("KEY", given->key, Times::required, kKeyHelp)},
          .run = [given](Context& context) -> int {
            const Cache cache = context.open(Context::Missing::fail);
            std::optional<std::string> value;
            char last = '\0';
            bool found = false;
            if (context.for_programs()) {
              value = cache.get(given->key);
              found = value.has_value();
            } else {
              found = cache.get_to(given->key, [&](std::span<const std::byte> part) {
                const std::string_view bytes(reinterpret_cast<const char*>(part.data()), part.size());
                context.out().write(bytes);
                if (!bytes.empty()) last = bytes.back();
              });
            }
            if (!found) return refuse_absent(context, given->key);
            if (value) {
              context.show({{"key", given->key}, {"value", *value}});
            } else {
              end_line(context, last);
            }
            return kDone;
          }};
}

Command build_set() {
  const auto given = std::make_shared<Storing>();
  return {.about =
              "Stores a value under a key, replacing value, expiry and tags of an older one.\n"
              "The cache is made if it is missing.",
          .examples =
              "  dcache set greeting hello\n"
              "  dcache set page - --expire 10m --tag pages --tag eu < page.html\n"
              "  curl -s https://example.org | dcache set page\n",
          .arguments = given->arguments(),
          .run = [given](Context& context) -> int {
            std::string head = head_of(given->value);
            Cache cache = context.open(Context::Missing::make);
            if (head.size() < kHeadBytes) {
              cache.set(given->key, as_value(head), given->options());
            } else {
              std::string_view left = head;
              const auto source = [&](std::span<std::byte> room) {
                char* const to = reinterpret_cast<char*>(room.data());
                if (left.empty()) return read_stdin({to, room.size()});
                const std::size_t count = left.copy(to, room.size());
                left.remove_prefix(count);
                return count;
              };
              cache.set_from(given->key, source, given->options());
            }
            context.tell({{"key", given->key}, {"stored", true}}, "");
            return kDone;
          }};
}

Command build_add() {
  const auto given = std::make_shared<Storing>();
  return {.about =
              "Stores a value if the key is absent or its time is over. Of several at once, in\n"
              "any processes, exactly one succeeds; the others have exit status 1.",
          .examples =
              "  dcache add job:17 $$ --expire 1h && run-job 17\n"
              "  dcache add seen:$id '' --expire 7d || echo 'seen before'\n",
          .arguments = given->arguments(),
          .run = [given](Context& context) -> int {
            const std::string value = whole_of(given->value);
            Cache cache = context.open(Context::Missing::make);
            const bool added = cache.add(given->key, as_value(value), given->options());
            context.tell({{"key", given->key}, {"added", added}}, "");
            if (!added) context.note("there is an entry " + in_quotes(given->key) + " already");
            return added ? kDone : kNo;
          }};
}

Command build_pop() {
  struct Given {
    std::string key;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Prints the value as `get` does, and removes it in the same step: of several at\n"
              "once, in any processes, exactly one gets it. It is gone even if printing it\n"
              "fails. Exit status 1 if the key is absent or its time is over.",
          .examples =
              "  dcache pop token\n"
              "  job=$(dcache pop job:17) && run-job \"$job\"\n",
          .arguments = {positional("KEY", given->key, Times::required, kKeyHelp)},
          .run = [given](Context& context) -> int {
            Cache cache = context.open(Context::Missing::fail);
            const std::optional<std::string> value = cache.pop(given->key);
            if (!value) return refuse_absent(context, given->key);
            if (context.for_programs()) {
              context.show({{"key", given->key}, {"value", *value}});
            } else {
              write_value(context, *value);
            }
            return kDone;
          }};
}

Command build_delete() {
  struct Given {
    std::vector<std::string> keys;
  };
  const auto given = std::make_shared<Given>();
  return {.about = "Removes keys. Exit status 1 if none of them was there.",
          .examples =
              "  dcache delete greeting\n"
              "  dcache delete page:1 page:2 page:3\n",
          .arguments = {positional("KEY", given->keys, Times::some, kKeyHelp)},
          .run = [given](Context& context) -> int {
            Cache cache = context.open(Context::Missing::fail);
            std::uint64_t deleted = 0;
            for (const std::string& key : given->keys) deleted += cache.erase(key) ? 1 : 0;
            context.tell({{"deleted", deleted}}, "");
            if (deleted == 0) {
              context.note(given->keys.size() == 1 ? "there is no entry " + in_quotes(given->keys[0])
                                                   : "none of these keys is there");
            }
            return deleted > 0 ? kDone : kNo;
          }};
}

Command build_touch() {
  struct Given {
    std::string key;
    Lifetime expire;
  };
  const auto given = std::make_shared<Given>();
  Argument expire = option("-e,--expire", "TIME", given->expire,
                           "new life from now: 90s, 10m, 2h, 7d, 500ms, 1h30m; or never");
  expire.times = Times::required;
  return {.about =
              "Gives a key a new expiry; its value and tags stay. Exit status 1 if the key is\n"
              "absent or its time is over.",
          .examples =
              "  dcache touch session:42 --expire 30m\n"
              "  dcache touch greeting --expire never\n",
          .arguments = {positional("KEY", given->key, Times::required, kKeyHelp), std::move(expire)},
          .run = [given](Context& context) -> int {
            Cache cache = context.open(Context::Missing::fail);
            const bool touched = cache.touch(given->key, *given->expire.time);
            context.tell({{"key", given->key}, {"touched", touched}}, "");
            return touched ? kDone : refuse_absent(context, given->key);
          }};
}

Command build_incr() {
  struct Given {
    std::string key;
    std::int64_t delta = 1;
    std::int64_t initial = 0;
    std::vector<std::string> tags;
    Lifetime expire;
  };
  const auto given = std::make_shared<Given>();
  return {
      .about =
          "Adds DELTA to the number stored under a key and prints the sum. A missing key\n"
          "is stored and becomes initial + DELTA; one that exists keeps expiry and tags.\n"
          "The cache is made if it is missing.",
      .examples =
          "  dcache incr visits\n"
          "  dcache incr stock:apples -3 --initial 100\n"
          "  n=$(dcache incr tries --expire 1h)\n",
      .arguments = {positional("KEY", given->key, Times::required, kKeyHelp),
                    positional("DELTA", given->delta, Times::optional,
                               "what to add, negative to subtract (default 1)"),
                    option("-i,--initial", "N", given->initial, "what a missing key starts from (default 0)"),
                    option("-t,--tag", "TAG", given->tags, "a tag for a missing key"),
                    option("-e,--expire", "TIME", given->expire, "life of a missing key")},
      .run = [given](Context& context) -> int {
        Cache cache = context.open(Context::Missing::make);
        const std::int64_t sum = cache.incr(given->key, given->delta, given->initial,
                                            {.expire = given->expire.time, .tags = given->tags});
        if (context.for_programs()) {
          context.show({{"key", given->key}, {"value", sum}});
        } else {
          context.out().write(std::to_string(sum) + "\n");
        }
        return kDone;
      }};
}

}  // namespace dcache::cli
