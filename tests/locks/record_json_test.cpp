// SPDX-License-Identifier: Apache-2.0
#include "locks/record_json.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "support/check.hpp"

using namespace dcache::locking;

namespace {

LockRecord sample() {
  Hold hold;
  hold.owner = "4711-4713";
  hold.who = {.session = "1:ab:cd", .agent = 9};
  hold.count = 2;
  hold.fence = 1763676301123456;
  hold.since = 1763676301000000;
  return {.kind = Kind::rlock, .fence = hold.fence, .holders = {hold}};
}

}  // namespace

TEST_CASE("a record is one line of JSON, always the same for the same record") {
  CHECK(
      print(sample()) ==
      R"({"kind":"rlock","fence":1763676301123456,"limit":1,"holders":[{"owner":"4711-4713","session":"1:ab:cd",)"
      R"("agent":9,"mode":"x","count":2,"fence":1763676301123456,"since":1763676301000000,"lease":null}],)"
      R"("waiters":[],"turn":null})");
}

TEST_CASE("records come back from JSON as they were, also with hostile labels and tags") {
  LockRecord record = sample();
  CHECK(parse(print(record)) == record);
  record.kind = Kind::lock;
  Hold& hold = record.holders.front();
  hold.lease = 123;
  for (const std::string& text :
       {std::string("plain"), std::string("\"quoted\" and \\back\\slash"),
        std::string("line\nbreak\ttab\r\b\f"), std::string("nul\0inside", 10), std::string("\x01\x1f\x7f"),
        std::string("Grüße 世界 🙂 \u202E\u2028"), std::string("\"}],\"holders\":[]"),
        std::string("</script>"), std::string("\\u0041"), std::string(256, '"'),
        std::string("\xEF\xBF\xBE\xEF\xBF\xBF")}) {
    CAPTURE(text);
    hold.label = text;
    hold.tags = {text, text + "2"};
    const std::string line = print(record);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(parse(line) == record);
    CHECK(nlohmann::json::parse(line)["holders"][0]["label"] == text);
  }
}

TEST_CASE("the numbers of a record keep all their digits") {
  LockRecord record = sample();
  Hold& hold = record.holders.front();
  hold.count = record.fence = hold.fence = std::numeric_limits<std::uint64_t>::max();
  hold.since = std::numeric_limits<std::int64_t>::min();
  hold.lease = std::numeric_limits<std::int64_t>::max();
  CHECK(parse(print(record)) == record);
}

TEST_CASE("what print could not have written is damaged") {
  const std::string good = print(sample());
  REQUIRE(parse(good).has_value());
  const auto with = [&](std::string_view part, std::string_view instead) {
    std::string text = good;
    text.replace(text.find(part), part.size(), instead);
    return text;
  };
  for (
      const std::string& text :
      {std::string(), std::string("null"), std::string("[]"), std::string("1"), std::string("{}"),
       std::string("held"), good + " ", " " + good, good + "\n", good.substr(1), good + good,
       with("rlock", "semaphore"), with("\"limit\":1", "\"limit\":2"),
       with("\"waiters\":[]", "\"waiters\":[1]"), with("null}]", "1.5}]"),
       with("\"agent\":9", "\"agent\":-9"), with("\"agent\":9", "\"agent\":\"9\""),
       with("\"count\":2", "\"count\":2.0"), with("\"mode\":\"x\"", "\"mode\":\"s\""),
       with("\"owner\":", "\"own\":"), with("4711-", "47\xFF-"), with(",\"turn\":null", ""),
       with("\"since\":", "\"extra\":1,\"since\":"), with(":2,", ": 2,"),
       // Two exclusive holders, which nothing may ever make.
       with(
           "null}]",
           R"(null},{"owner":"1-1","session":"s","agent":1,"mode":"x","count":1,"fence":1,"since":1,"lease":null}])")}) {
    CAPTURE(text);
    CHECK(parse(text) == std::nullopt);
  }
  CHECK(parse(std::string(100'000, '[')) == std::nullopt);
}

TEST_CASE("a record with any byte changed is refused or still means what it says, and never crashes") {
  const std::uint64_t seed = new_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  LockRecord record = sample();
  record.holders.front().label = "a \"label\"";
  record.holders.front().tags = {"one", "two"};
  const std::string good = print(record);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    if (const auto parsed = parse(text)) CHECK(print(*parsed) == text);
  }
}
