// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <thread>

#include "conformance/engines.hpp"
#include "dcache/queue.hpp"

namespace {

std::optional<std::string> value_of(const std::optional<LeasedItem>& item) {
  if (!item) return std::nullopt;
  return item->value();
}

}  // namespace

ENGINE_TEST("an item on lease is nobody else's until it is acked, and then it is gone") {
  Queue queue(cache, "jobs");
  queue.push("a");
  queue.push("b");
  auto a = queue.lease();
  REQUIRE(a);
  CHECK(a->value() == "a");
  CHECK_FALSE(a->again());
  CHECK(queue.peek()->value == "b");
  CHECK(queue.size() == 2);
  CHECK(queue.pull()->value == "b");
  CHECK_FALSE(queue.pull());
  CHECK_FALSE(queue.lease());
  CHECK(a->ack());
  CHECK(queue.size() == 0);
  CHECK(locks(cache).empty());
  CHECK_THROWS_AS(a->ack(), Misuse);
  CHECK_THROWS_AS(a->renew(), Misuse);
  CHECK_NOTHROW(a->nack());
}

ENGINE_TEST("an item that is given back, or dropped, can be had again at its old place") {
  Queue queue(cache, "jobs");
  queue.push("a");
  queue.push("b");
  auto a = queue.lease();
  auto b = queue.lease();
  CHECK(value_of(b) == "b");
  b->nack();
  b->nack();
  CHECK(queue.peek()->value == "b");
  { const LeasedItem dropped = *std::move(a); }
  CHECK(queue.peek()->value == "a");
  const auto works = [&] {
    auto item = queue.lease();
    throw std::runtime_error("cannot do '" + item->value() + "'");
  };
  CHECK_THROWS_AS(works(), std::runtime_error);
  CHECK(queue.pull()->value == "a");
  CHECK(queue.pull()->value == "b");
  CHECK(locks(cache).empty());
}

ENGINE_TEST("assigning over a leased item gives the old one back") {
  Queue queue(cache, "jobs");
  queue.push("a");
  queue.push("b");
  auto item = queue.lease();
  item = queue.lease();
  CHECK(item->value() == "b");
  CHECK(queue.peek()->value == "a");
  CHECK(item->ack());
  CHECK(queue.pull()->value == "a");
}

ENGINE_TEST("when a lease is over the item comes back; the late worker is told that it lost") {
  Queue queue(cache, "jobs");
  queue.push("a");
  auto late = queue.lease({.lease = 500ms});
  CHECK_FALSE(queue.lease());
  auto next = queue.lease({.wait = 20s});
  REQUIRE(next);
  CHECK(next->value() == "a");
  CHECK(next->again());
  CHECK_THROWS_AS(late->ack(), LockLost);
  CHECK_THROWS_AS(late->renew(), LockLost);
  late->nack();
  CHECK_FALSE(queue.pull());
  CHECK(next->ack());
  CHECK(queue.size() == 0);
}

ENGINE_TEST("an item whose lease is over is pulled at its place") {
  Queue queue(cache, "jobs");
  queue.push("a");
  queue.push("b");
  auto late = queue.lease({.lease = 1ms});
  std::this_thread::sleep_for(5ms);
  CHECK(queue.pull()->value == "a");
  CHECK(queue.pull()->value == "b");
  CHECK_THROWS_AS(late->ack(), LockLost);
}

ENGINE_TEST("a late ack does no harm while nobody else has the item") {
  Queue queue(cache, "jobs");
  queue.push("a");
  auto late = queue.lease({.lease = 300ms});
  std::this_thread::sleep_for(310ms);
  CHECK(late->ack());
  CHECK(queue.size() == 0);
}

ENGINE_TEST("a lease can be renewed, by hand or by itself") {
  Queue queue(cache, "jobs");
  queue.push("a");
  queue.push("b");
  auto a = queue.lease({.lease = 3s, .renew = true});
  auto b = queue.lease({.lease = 1h});
  const auto left = [&](const LeasedItem& item) {
    return *locks(cache, {.prefix = item.key()}).at(0).holders.at(0).lease_left;
  };
  Duration before = left(*b);
  std::this_thread::sleep_for(2ms);
  CHECK(left(*b) < before);
  before = left(*b);
  b->renew();
  CHECK(left(*b) > before);
  before = left(*a);
  CHECK(eventually([&] {  // at a third of it
    const Duration now = left(*a);
    const bool renewed = now > before;
    before = now;
    return renewed;
  }));
  CHECK(a->ack());
  CHECK(b->ack());
}

ENGINE_TEST("items that go while they are worked on are gone, which ack tells") {
  Queue queue(cache, "jobs");
  queue.push("a", {.tags = "x"});
  queue.push("b");
  auto a = queue.lease();
  auto b = queue.lease();
  CHECK(cache.evict("x") == 1);
  CHECK(queue.clear() == 1);
  CHECK_FALSE(a->ack());
  CHECK_FALSE(b->ack());
  queue.push("c");
  CHECK(queue.pull()->value == "c");
}

ENGINE_TEST("an item that expires in a lease, or before it, is not handed out") {
  Queue queue(cache, "jobs");
  queue.push("a", {.expire = 1ms});
  queue.push("b");
  std::this_thread::sleep_for(5ms);
  CHECK(value_of(queue.lease()) == "b");
  CHECK(cache.stats().expired == 0);
}

ENGINE_TEST("writes with the guard of an item are refused once it is somebody else's") {
  Queue queue(cache, "jobs");
  queue.push("a");
  auto late = queue.lease({.lease = 1ms});
  const Guard guard = late->guard();
  std::this_thread::sleep_for(5ms);
  auto next = queue.lease();
  CHECK_THROWS_AS(cache.set("result", "late", {.guard = guard}), LockLost);
  cache.set("result", "well", {.guard = next->guard()});
  CHECK(next->ack());
  CHECK(cache.get("result") == "well");
}

ENGINE_TEST("a kept lease outlives the object, and its token acks or gives back from anywhere") {
  Queue queue(cache, "jobs");
  queue.push("a");
  std::string token;
  {
    auto item = queue.lease({.lease = 1h, .keep = true});
    token = item->token();
  }
  CHECK_FALSE(queue.pull());
  CHECK_FALSE(queue.adopt(""));
  CHECK_FALSE(queue.adopt("nonsense-1-2"));
  CHECK_FALSE(queue.adopt(token + "0"));
  CHECK_FALSE(Queue(cache, "others").adopt(token));
  { CHECK(value_of(queue.adopt(token)) == "a"); }
  CHECK_FALSE(queue.pull());
  queue.adopt(token)->nack();
  CHECK_FALSE(queue.adopt(token));
  auto again = queue.lease({.lease = 1h, .keep = true});
  REQUIRE(again);
  CHECK_FALSE(again->again());  // it was given back
  CHECK(again->token() != token);
  CHECK(queue.adopt(again->token())->ack());
  CHECK_FALSE(queue.adopt(again->token()));
  CHECK(queue.size() == 0);
  queue.push("b");
  static_cast<void>(queue.lease({.lease = 1ms, .keep = true}));
  std::this_thread::sleep_for(5ms);
  CHECK(queue.lease()->again());
}

ENGINE_TEST("options of a lease that make no sense are refused, also while the queue is empty") {
  Queue queue(cache, "jobs");
  CHECK_THROWS_AS(static_cast<void>(queue.lease({.keep = true})), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(queue.lease({.lease = 0s})), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(queue.lease({.renew = true})), InvalidArgument);
  CHECK(locks(cache).empty());
}

ENGINE_TEST("locks shows who works on what") {
  Queue queue(cache, "jobs");
  const std::string key = queue.push("a");
  auto item = queue.lease({.label = "resizer 7"});
  const std::vector<LockInfo> all = locks(cache, {.prefix = "jobs#"});
  REQUIRE(all.size() == 1);
  CHECK(all[0].key == key);
  REQUIRE(all[0].holders.size() == 1);
  CHECK(all[0].holders[0].label == "resizer 7");
}

ENGINE_TEST("inside a transaction items on lease are passed over, and no lease is to be had") {
  Queue queue(cache, "jobs");
  queue.push("a");
  queue.push("b");
  auto a = queue.lease({.lease = 1ms});
  std::this_thread::sleep_for(5ms);
  cache.transact([&](Transaction&) { CHECK(queue.pull()->value == "b"); });
  queue.push("c");
  const auto leases = [&](Transaction&) { static_cast<void>(queue.lease()); };
  CHECK_THROWS_AS(cache.transact(leases), Misuse);
  CHECK(queue.pull()->value == "a");
}

ENGINE_TEST("work and its ack are one step in a transaction") {
  Queue queue(cache, "jobs");
  queue.push("a");
  auto item = queue.lease();
  const auto fails = [&](Transaction& transaction) {
    transaction.set("{jobs}result", "half done");
    CHECK(item->ack());
    throw std::runtime_error("no");
  };
  CHECK_THROWS_AS(cache.transact(fails), std::runtime_error);
  CHECK_FALSE(cache.get("{jobs}result"));
  item = queue.lease();
  REQUIRE(item);
  CHECK(item->value() == "a");
  cache.transact([&](Transaction& transaction) {
    transaction.set("{jobs}result", "done");
    CHECK(item->ack());
    CHECK_FALSE(elsewhere([&] { return queue.peek(); }));
  });
  CHECK(cache.get("{jobs}result") == "done");
  CHECK(queue.size() == 0);
  CHECK(locks(cache).empty());
  queue.push("b");
  item = queue.lease();
  cache.transact([&](Transaction&) { item->nack(); });
  CHECK(queue.pull()->value == "b");
}

ENGINE_TEST("a worker behind many items on lease gets the next one") {
  Queue queue(cache, "jobs");
  for (int i = 0; i < 300; ++i) queue.push(std::to_string(i));
  std::vector<LeasedItem> leased;
  for (int i = 0; i < 299; ++i) leased.push_back(*queue.lease());
  for (std::size_t i = 0; i < leased.size(); ++i) CHECK(leased[i].value() == std::to_string(i));
  CHECK(queue.peek()->value == "299");
  CHECK(queue.pull()->value == "299");
  CHECK_FALSE(queue.pull());
  for (LeasedItem& item : leased) CHECK(item.ack());
  CHECK(cache.size() == 0);
}

ENGINE_TEST("a damaged lease keeps its item, and nobody waits for it") {
  Queue queue(cache, "jobs");
  const std::string key = queue.push("a");
  queue.push("b");
  store().update_record(
      Space::locks, key,
      [](const std::string*, std::uint64_t) {
        return RecordChange{.kind = RecordChange::Kind::put, .bytes = "nonsense"};
      },
      kNoDeadline);
  CHECK(queue.peek()->value == "b");
  CHECK(queue.pull()->value == "b");
  CHECK_FALSE(queue.lease());
  CHECK(clear_lock(cache, key, {.force = true}) == Cleared::cleared);
  CHECK(queue.pull()->value == "a");
}
