// SPDX-License-Identifier: Apache-2.0
//
// Queues: push, pull, peek, ack, nack.
#include <memory>

#include "context.hpp"
#include "dcache/error.hpp"
#include "dcache/queue.hpp"
#include "errors.hpp"
#include "text.hpp"
#include "value_bytes.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

constexpr std::string_view kQueueHelp = "the name of the queue";

struct Pulling {
  std::string queue;
  bool back = false;
  std::optional<Duration> wait;
  Lifetime lease;

  [[nodiscard]] Side side() const noexcept { return back ? Side::back : Side::front; }
  [[nodiscard]] bool leasing() const noexcept { return lease.time.has_value(); }
};

int refuse_empty(const Context& context, const std::string& queue) {
  context.note("there is nothing to be had in the queue " + in_quotes(queue));
  return kNo;
}

int show_item(Context& context, const Entry& item) {
  if (context.for_programs()) {
    context.show({{"key", item.key}, {"value", item.value}});
  } else {
    write_value(context, item.value);
  }
  return kDone;
}

int push(Context& context, const std::string& name, const std::optional<std::string>& argument,
         const PushOptions& options) {
  const std::string value = whole_of(argument);
  Cache cache = context.open(Context::Missing::make);
  const std::string key = Queue(cache, name).push(as_value(value), options);
  context.tell({{"key", key}}, escape(key));
  return kDone;
}

int lease(Context& context, Queue& queue, const Pulling& given) {
  const auto item = queue.lease({.side = given.side(),
                                 .wait = given.wait.value_or(Duration()),
                                 .lease = given.lease.time,
                                 .keep = true});
  if (!item) return refuse_empty(context, given.queue);
  if (context.for_programs()) {
    context.show({{"key", item->key()},
                  {"value", item->value()},
                  {"token", item->token()},
                  {"lease", given.lease.time},
                  {"again", item->again()}});
  } else {
    context.out().write(item->token() + "\n");
    write_value(context, item->value());
  }
  return kDone;
}

int pull(Context& context, const Pulling& given) {
  if (given.leasing() && given.lease.time->is_forever()) {
    throw UsageError("--lease cannot be for ever, as nothing would bring the item back; give it a time");
  }
  Cache cache = context.open(given.wait ? Context::Missing::make : Context::Missing::fail);
  Queue queue(cache, given.queue);
  if (given.leasing()) return lease(context, queue, given);
  const auto item = queue.pull({.side = given.side(), .wait = given.wait.value_or(Duration())});
  return item ? show_item(context, *item) : refuse_empty(context, given.queue);
}

struct Returning {
  std::string queue;
  std::string token;

  [[nodiscard]] std::vector<Argument> arguments() {
    return {positional("QUEUE", queue, Times::required, kQueueHelp),
            positional("TOKEN", token, Times::required, "what `pull --lease` printed")};
  }
};

enum class Return { ack, nack };

int give(Context& context, const Returning& given, Return how) {
  Cache cache = context.open(Context::Missing::fail);
  auto item = Queue(cache, given.queue).adopt(given.token);
  bool done = item.has_value();
  if (done && how == Return::nack) item->nack();
  if (done && how == Return::ack) {
    try {
      done = item->ack();
    } catch (const LockLost&) {
      done = false;
    }
  }
  context.tell({{how == Return::ack ? "acked" : "returned", done}}, "");
  if (!done) context.note("the item is not on lease with this token any more");
  return done ? kDone : kNo;
}

}  // namespace

Command build_push() {
  struct Given {
    std::string queue;
    std::optional<std::string> value;
    bool front = false;
    std::vector<std::string> tags;
    Lifetime expire;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Puts a value into a queue, at its end, and prints the key of its item. The\n"
              "queue and the cache are made if they are missing. An item is an ordinary value\n"
              "whose key begins with QUEUE and '#'.",
          .examples =
              "  dcache push jobs 'resize cat.png'\n"
              "  dcache push jobs --front 'resize dog.png'    # this one first\n"
              "  dcache push mails - --expire 1d --tag eu < mail.txt\n",
          .arguments = {positional("QUEUE", given->queue, Times::required, kQueueHelp),
                        positional("VALUE", given->value, Times::optional,
                                   "the value: at most 1 GiB; - or nothing reads it from stdin"),
                        flag("-f,--front", given->front, "at the front, to be pulled next"),
                        option("-t,--tag", "TAG", given->tags, "a tag of the item"),
                        option("-e,--expire", "TIME", given->expire,
                               "life from now: 90s, 10m, 2h, 7d, 500ms, 1h30m; never (default)")},
          .run = [given](Context& context) -> int {
            return push(context, given->queue, given->value,
                        {.side = given->front ? Side::front : Side::back,
                         .expire = given->expire.time,
                         .tags = given->tags});
          }};
}

Command build_pull() {
  const auto given = std::make_shared<Pulling>();
  return {
      .about =
          "Prints the value at the front of a queue, as `get` does, and removes it in the\n"
          "same step: of several at once, in any processes, exactly one gets it. Exit\n"
          "status 1 if there is none.\n"
          "\n"
          "With --lease the item stays in the queue, but nobody else gets it until the\n"
          "lease is over: what is printed is a line with a token, then the value. `dcache\n"
          "ack` with the token removes the item, `dcache nack` gives it back at once. So\n"
          "an item whose worker dies is not lost, but comes back at its old place. A lease\n"
          "is a lock: `dcache lock renew` with the item's key and what follows the first\n"
          "'-' of the token begins it anew.\n"
          "\n"
          "With --wait the cache is made if it is missing.",
      .examples =
          "  job=$(dcache pull jobs) && work-on \"$job\"\n"
          "  while job=$(dcache pull jobs --wait 1h); do work-on \"$job\"; done\n"
          "  dcache pull jobs --lease 10m > job &&\n"
          "    tail -n +2 job | work && dcache ack jobs \"$(head -n 1 job)\"\n",
      .arguments = {positional("QUEUE", given->queue, Times::required, kQueueHelp),
                    flag("-b,--back", given->back, "from the back: what was pushed last"),
                    option("-w,--wait", "TIME", given->wait,
                           "wait at most so long for an item (default 0); forever has no end"),
                    option("--lease", "TIME", given->lease, "leave it in the queue, on lease for so long")},
      .run = [given](Context& context) { return pull(context, *given); }};
}

Command build_peek() {
  const auto given = std::make_shared<Pulling>();
  return {.about =
              "Prints the value that `pull` would take, and leaves it there. Exit status 1 if\n"
              "there is none.",
          .examples =
              "  dcache peek jobs\n"
              "  dcache peek jobs --back    # what was pushed last\n",
          .arguments = {positional("QUEUE", given->queue, Times::required, kQueueHelp),
                        flag("-b,--back", given->back, "at the back")},
          .run = [given](Context& context) -> int {
            Cache cache = context.open(Context::Missing::fail);
            const auto item = Queue(cache, given->queue).peek(given->side());
            return item ? show_item(context, *item) : refuse_empty(context, given->queue);
          }};
}

Command build_ack() {
  const auto given = std::make_shared<Returning>();
  return {.about =
              "Removes an item that `pull --lease` got: its work is done. Being late does no\n"
              "harm as long as nobody else got it. Exit status 1 if somebody did, or if the\n"
              "item has gone.",
          .examples = "  dcache ack jobs \"$token\"\n",
          .arguments = given->arguments(),
          .run = [given](Context& context) { return give(context, *given, Return::ack); }};
}

Command build_nack() {
  const auto given = std::make_shared<Returning>();
  return {.about =
              "Gives back an item that `pull --lease` got, for others to have at once. Exit\n"
              "status 1 if the lease was over and somebody else got it.",
          .examples = "  work-on \"$job\" || dcache nack jobs \"$token\"\n",
          .arguments = given->arguments(),
          .run = [given](Context& context) { return give(context, *given, Return::nack); }};
}

}  // namespace dcache::cli
