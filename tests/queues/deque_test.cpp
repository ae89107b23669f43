// SPDX-License-Identifier: Apache-2.0
#include "dcache/deque.hpp"

#include <future>

#include "conformance/engines.hpp"

namespace {

using Texts = std::vector<std::string>;

Texts all(const Deque& deque, Side from = Side::front) {
  Texts values;
  for (const Entry& item : deque.items(from)) values.push_back(item.value);
  return values;
}

}  // namespace

ENGINE_TEST("a deque takes and gives at both ends") {
  Deque deque(cache, "d");
  CHECK(deque.empty());
  CHECK_FALSE(deque.pop_front());
  CHECK_FALSE(deque.back());
  deque.push_back("b");
  deque.push_back("c");
  deque.push_front("a");
  CHECK(all(deque) == Texts{"a", "b", "c"});
  CHECK(all(deque, Side::back) == Texts{"c", "b", "a"});
  CHECK(deque.front() == "a");
  CHECK(deque.back() == "c");
  CHECK(deque.pop_back() == "c");
  CHECK(deque.pop_front() == "a");
  CHECK(deque.size() == 1);
  CHECK_FALSE(deque.empty());
  CHECK(deque.clear() == 1);
  CHECK(deque.empty());
}

ENGINE_TEST("a deque is extended by all or none, at the front one after another") {
  Deque deque(cache, "d");
  deque.extend({"a", "b"});
  deque.extend(Texts{"c", "d"});
  deque.extend({"y", "x"}, Side::front);
  CHECK(all(deque) == Texts{"x", "y", "a", "b", "c", "d"});
  cache.configure([](Settings& settings) {
    settings.size_limit = 1 << 20;
    settings.policy = Policy::none;
  });
  const std::string too_large(2 << 20, 'x');
  CHECK_THROWS_AS(deque.extend({"e", too_large}), Full);
  CHECK(deque.size() == 6);
}

ENGINE_TEST("what is too much for a deque leaves at the other end in the same step") {
  Deque deque(cache, "d", 3);
  deque.extend({"a", "b", "c", "d", "e"});
  CHECK(all(deque) == Texts{"c", "d", "e"});
  deque.push_front("x");
  CHECK(all(deque) == Texts{"x", "c", "d"});
  Deque none(cache, "none", 0);
  none.push_back("a");
  CHECK(none.empty());
  CHECK(deque.max_size() == 3);
}

ENGINE_TEST("values of a deque are reached by their position from either end") {
  Deque deque(cache, "d");
  for (int i = 0; i < 40; ++i) deque.push_back(std::to_string(i));
  CHECK(deque.at(0) == "0");
  CHECK(deque.at(39) == "39");
  CHECK(deque.at(-1) == "39");
  CHECK(deque.at(-40) == "0");
  CHECK_FALSE(deque.at(40));
  CHECK_FALSE(deque.at(-41));
  CHECK_FALSE(deque.at(std::numeric_limits<std::int64_t>::min()));
  CHECK_FALSE(deque.at(std::numeric_limits<std::int64_t>::max()));
  CHECK(deque.set(17, "x"));
  CHECK(deque.at(17) == "x");
  CHECK(deque.at(18) == "18");
  CHECK_FALSE(deque.set(40, "x"));
  CHECK(deque.erase(-40));
  CHECK(deque.front() == "1");
  CHECK_FALSE(deque.erase(39));
  CHECK(deque.size() == 39);
}

ENGINE_TEST("a deque rotates either way, any number of steps") {
  Deque deque(cache, "d");
  deque.rotate(3);
  deque.extend({"1", "2", "3", "4"});
  deque.rotate();
  CHECK(all(deque) == Texts{"4", "1", "2", "3"});
  deque.rotate(2);
  CHECK(all(deque) == Texts{"2", "3", "4", "1"});
  deque.rotate(-3);
  CHECK(all(deque) == Texts{"1", "2", "3", "4"});
  deque.rotate(4'000'000'001);
  CHECK(all(deque) == Texts{"4", "1", "2", "3"});
  deque.rotate(std::numeric_limits<std::int64_t>::min());  // a multiple of four
  CHECK(all(deque) == Texts{"4", "1", "2", "3"});
}

ENGINE_TEST("threads that rotate and push at once lose nothing") {
  Deque deque(cache, "d");
  deque.extend({"a", "b", "c"});
  const int times = rounds(40);
  const auto rotates = [&] {
    Deque own(cache, "d");
    for (int i = 0; i < times; ++i) own.rotate(i % 5 - 2);
  };
  auto first = std::async(std::launch::async, rotates);
  auto second = std::async(std::launch::async, rotates);
  for (int i = 0; i < times; ++i) deque.push_back(std::to_string(i));
  first.get();
  second.get();
  Texts values = all(deque);
  std::sort(values.begin(), values.end());
  Texts expected{"a", "b", "c"};
  for (int i = 0; i < times; ++i) expected.push_back(std::to_string(i));
  std::sort(expected.begin(), expected.end());
  CHECK(values == expected);
}

ENGINE_TEST("threads that push to a deque with a limit never leave more than that") {
  const auto pushes = [&] {
    Deque own(cache, "d", 5);
    for (int i = 0; i < rounds(60); ++i) {
      own.push_back(std::to_string(i));
      CHECK(Deque(cache, "d").size() <= 6);  // counting looks at several pages, between which others push
    }
  };
  auto other = std::async(std::launch::async, pushes);
  pushes();
  other.get();
  CHECK(Deque(cache, "d").size() == 5);
}
