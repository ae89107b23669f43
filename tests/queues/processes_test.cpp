// SPDX-License-Identifier: Apache-2.0
//
// Queues between real processes, some of which are killed.
#include <csignal>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "dcache/deque.hpp"
#include "dcache/queue.hpp"
#include "support/check.hpp"
#include "support/worker.hpp"

namespace {

constexpr int kProducers = 3;
constexpr int kConsumers = 3;

Worker start(const OneCache& one, const std::vector<std::string>& what) {
  std::vector<std::string> arguments{"queue", one.path(), "jobs"};
  arguments.insert(arguments.end(), what.begin(), what.end());
  return Worker(arguments);
}

std::multiset<std::string> expected_values(int each) {
  std::multiset<std::string> values;
  for (int producer = 0; producer < kProducers; ++producer) {
    for (int i = 0; i < each; ++i) values.insert(std::to_string(producer) + ' ' + std::to_string(i));
  }
  return values;
}

}  // namespace

TEST_SUITE("process") {
  TEST_CASE("producers and consumers in many processes lose and double nothing, and keep each one's order") {
    OneCache one;
    const int each = rounds(150);
    std::vector<Worker> consumers;
    for (int i = 0; i < kConsumers; ++i) consumers.push_back(start(one, {"consume"}));
    std::vector<Worker> producers;
    for (int i = 0; i < kProducers; ++i) {
      producers.push_back(start(one, {"produce", std::to_string(i), std::to_string(each)}));
    }
    for (Worker& producer : producers) CHECK(producer.wait() == 0);
    Queue queue(one.cache, "jobs");
    for (int i = 0; i < kConsumers; ++i) queue.push("end");
    std::multiset<std::string> seen;
    for (Worker& consumer : consumers) {
      std::map<std::string, int> last;
      for (const std::string& line : consumer.rest()) {
        if (line == "end") continue;
        seen.insert(line);
        const std::size_t space = line.find(' ');
        const std::string producer = line.substr(0, space);
        const int number = std::stoi(line.substr(space + 1));
        if (last.contains(producer)) CHECK(last[producer] < number);
        last[producer] = number;
      }
      CHECK(consumer.wait() == 0);
    }
    CHECK(seen == expected_values(each));
    CHECK(queue.size() == 0);
  }

  TEST_CASE("what killed workers had on lease comes back, each item once, at its place") {
    OneCache one;
    Queue queue(one.cache, "jobs");
    for (int i = 0; i < 12; ++i) queue.push(std::to_string(i));
    std::vector<Worker> workers;
    for (int i = 0; i < 3; ++i) {
      workers.push_back(start(one, {"hold", "3"}));
      for (int line = 0; line < 3; ++line) CHECK_FALSE(has(workers.back().line(), "again"));
      CHECK(workers.back().line() == "holding");
    }
    CHECK(queue.peek()->value == "9");
    workers[0].kill();
    workers[2].kill();
    std::vector<std::string> got;
    std::vector<LeasedItem> items;
    for (int i = 0; i < 9; ++i) {
      auto item = queue.lease();
      REQUIRE(item);
      CHECK(item->again() == (i < 6));
      got.push_back(item->value());
      items.push_back(*std::move(item));
    }
    CHECK(got == std::vector<std::string>{"0", "1", "2", "6", "7", "8", "9", "10", "11"});
    CHECK_FALSE(queue.lease());
    CHECK_FALSE(queue.pull());
    for (LeasedItem& item : items) CHECK(item.ack());
    CHECK(queue.size() == 3);
    workers[1].kill();
    CHECK(queue.pull()->value == "3");
    auto last = queue.lease();
    CHECK(last->value() == "4");
    CHECK(last->again());
  }

  TEST_CASE("a worker that is stopped keeps its item") {
    OneCache one;
    Queue queue(one.cache, "jobs");
    queue.push("a");
    Worker worker = start(one, {"hold", "1"});
    CHECK(worker.line() == "a");
    CHECK(worker.line() == "holding");
    worker.signal(SIGSTOP);
    CHECK_FALSE(queue.pull({.wait = 300ms}));
    worker.signal(SIGKILL);
    CHECK(queue.pull({.wait = 20s})->value == "a");
  }

  TEST_CASE("workers that are killed at any moment lose and double nothing") {
    const auto seed = new_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    OneCache one;
    const int each = rounds(100);
    std::multiset<std::string> done;
    int kills = 0;
    const auto collect = [&](Worker& worker) {
      while (auto line = worker.try_line(0ms)) {
        if (*line != "end") done.insert(*line);
      }
    };
    std::vector<Worker> producers;
    for (int i = 0; i < kProducers; ++i) {
      producers.push_back(start(one, {"produce", std::to_string(i), std::to_string(each)}));
    }
    for (int round = 0; round < rounds(12); ++round) {
      Worker worker = start(one, {"work"});
      Worker other = start(one, {"work"});
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 30 + 5));
      for (Worker* one_of_them : {&worker, &other}) {
        one_of_them->kill();
        collect(*one_of_them);
        ++kills;
      }
    }
    for (Worker& producer : producers) CHECK(producer.wait() == 0);
    Queue queue(one.cache, "jobs");
    while (auto item = queue.pull()) done.insert(item->value);
    const std::multiset<std::string> expected = expected_values(each);
    const std::set<std::string> different(done.begin(), done.end());
    CHECK(different.size() == done.size());
    for (const std::string& value : done) CHECK(expected.contains(value));
    // Who is killed between its ack and telling of it has done the work.
    CHECK(done.size() + static_cast<std::size_t>(kills) >= expected.size());
  }

  TEST_CASE("a waiting consumer is woken by a push of another process") {
    OneCache one;
    Worker consumer = start(one, {"consume"});
    Queue queue(one.cache, "jobs");
    for (int i = 0; i < rounds(20); ++i) {
      queue.push(std::to_string(i));
      CHECK(consumer.line() == std::to_string(i));
    }
  }

  TEST_CASE("processes that append to a deque with a limit, and rotate it, keep it whole") {
    OneCache one;
    {
      std::vector<Worker> workers;
      for (const char* name : {"a", "b", "c"}) {
        workers.push_back(start(one, {"append", name, std::to_string(rounds(50))}));
      }
      workers.push_back(start(one, {"rotate", std::to_string(rounds(50))}));
      for (Worker& worker : workers) CHECK(worker.wait() == 0);
    }
    Deque deque(one.cache, "jobs");
    CHECK(deque.size() == 10);
    std::multiset<std::string> before;
    for (const Entry& item : deque.items()) before.insert(item.value);
    std::vector<Worker> workers;
    for (int i = 0; i < 3; ++i) workers.push_back(start(one, {"rotate", std::to_string(rounds(50))}));
    for (Worker& worker : workers) CHECK(worker.wait() == 0);
    std::multiset<std::string> after;
    for (const Entry& item : deque.items()) after.insert(item.value);
    CHECK(after == before);
  }
}
