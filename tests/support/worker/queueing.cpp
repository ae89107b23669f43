// SPDX-License-Identifier: Apache-2.0
//
// Producers and consumers of queues.
#include <optional>
#include <string>
#include <vector>

#include "dcache/deque.hpp"
#include "dcache/queue.hpp"
#include "support/worker/worker_program.hpp"

namespace dcache::test {

namespace {

/// Pushes "ID 0", "ID 1" and so on.
void produce(Queue& queue, const std::string& id, int times) {
  for (int i = 0; i < times; ++i) queue.push(id + ' ' + std::to_string(i));
}

/// Tells what it pulls, until that is "end".
void consume(Queue& queue) {
  while (const auto item = queue.pull({.wait = std::chrono::seconds(60)})) {
    tell(item->value);
    if (item->value == "end") return;
  }
}

/// Does the work of items: tells what it has acked, until that is "end".
void work(Queue& queue) {
  while (auto item = queue.lease({.wait = std::chrono::seconds(60)})) {
    if (!item->ack()) tell("gone " + item->value());
    tell(item->value());
    if (item->value() == "end") return;
  }
}

/// Leases that many items and tells them, then does nothing.
void hold(Queue& queue, int count) {
  std::vector<LeasedItem> items;
  for (int i = 0; i < count; ++i) {
    auto item = queue.lease();
    if (!item) break;
    tell(item->value() + (item->again() ? " again" : ""));
    items.push_back(*std::move(item));
  }
  tell("holding");
  static_cast<void>(hear());
}

}  // namespace

int queue_mode(const Arguments& arguments) {
  Cache cache(arguments.at(0));
  Queue queue(cache, arguments.at(1));
  const std::string& what = arguments.at(2);
  if (what == "produce") produce(queue, arguments.at(3), std::stoi(arguments.at(4)));
  if (what == "consume") consume(queue);
  if (what == "work") work(queue);
  if (what == "hold") hold(queue, std::stoi(arguments.at(3)));
  if (what == "append") {
    Deque deque(cache, arguments.at(1), 10);
    for (int i = 0; i < std::stoi(arguments.at(4)); ++i) deque.push_back(arguments.at(3));
  }
  if (what == "rotate") {
    Deque deque(cache, arguments.at(1));
    for (int i = 0; i < std::stoi(arguments.at(3)); ++i) deque.rotate(i % 7 - 3);
  }
  return 0;
}

}  // namespace dcache::test
