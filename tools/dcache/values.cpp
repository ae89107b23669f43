// SPDX-License-Identifier: Apache-2.0
//
// Verbs on single values: get, set, add, delete, touch, incr.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "context.hpp"
#include "dcache/error.hpp"
#include "errors.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

constexpr std::string_view kKeyHelp = "the key: any bytes, at most 4096";
constexpr std::string_view kExpireHelp = "life from now: 90s, 10m, 2h, 7d, 500ms, 1h30m; never (default)";

std::string read_stdin() {
  std::string text;
  std::array<char, 1U << 14> buffer{};
  // One byte more than fits tells that it does not; endless input must not fill the memory.
  while (text.size() <= kMaxValueBytes) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (count == 0) {
      return text;
    } else if (errno != EINTR) {
      const int error = errno;
      throw Failure(kIo, "cannot read stdin: " + errno_text(error));
    }
  }
  throw UsageError("the value on stdin is too large: more than " + std::to_string(kMaxValueBytes) + " bytes");
}

struct Storing {
  std::string key;
  std::optional<std::string> value;
  std::vector<std::string> tags;
  Lifetime expire;

  [[nodiscard]] std::string bytes() const {
    if (value && *value != "-") return *value;
    if (!value && ::isatty(STDIN_FILENO) == 1) {
      throw UsageError("VALUE is missing; give it, or - to type it here and end it with Ctrl-D");
    }
    return read_stdin();
  }
  [[nodiscard]] SetOptions options() const { return {.expire = expire.time, .tags = tags}; }

  [[nodiscard]] std::vector<Argument> arguments() {
    return {positional("KEY", key, Times::required, kKeyHelp),
            positional("VALUE", value, Times::optional,
                       "the value: at most 32 KiB; - or nothing reads it from stdin"),
            option("-t,--tag", "TAG", tags, "a tag of the value"),
            option("-e,--expire", "TIME", expire, kExpireHelp)};
  }
};

ByteView as_value(const std::string& bytes) {
  return ByteView(bytes).as(is_utf8(bytes) ? Format::text : Format::bytes);
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
            const std::optional<std::string> value = context.open(Context::Missing::fail).get(given->key);
            if (!value) {
              context.note("there is no entry " + in_quotes(given->key));
              return kNo;
            }
            if (context.json()) {
              context.show({{"key", given->key}, {"value", *value}});
              return kDone;
            }
            context.out().write(*value);
            if (Output::is_terminal() && !value->ends_with('\n')) context.out().write("\n");
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
            const std::string value = given->bytes();
            context.open(Context::Missing::make).set(given->key, as_value(value), given->options());
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
            const std::string value = given->bytes();
            Cache cache = context.open(Context::Missing::make);
            const bool added = cache.add(given->key, as_value(value), given->options());
            context.tell({{"key", given->key}, {"added", added}}, "");
            if (!added) context.note("there is an entry " + in_quotes(given->key) + " already");
            return added ? kDone : kNo;
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
            if (!touched) context.note("there is no entry " + in_quotes(given->key));
            return touched ? kDone : kNo;
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
        if (context.json()) {
          context.show({{"key", given->key}, {"value", sum}});
        } else {
          context.out().write(std::to_string(sum) + "\n");
        }
        return kDone;
      }};
}

}  // namespace dcache::cli
