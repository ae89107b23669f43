// SPDX-License-Identifier: Apache-2.0
//
// Which shard keeps a key: for ever, as caches on disks depend on it.
#include "store/sharded/route.hpp"

#include <array>
#include <string>

#include "support/check.hpp"

using store::sharded::deciding_part;
using store::sharded::shard_of;

TEST_CASE("a key is in the shard where it always was") {
  struct Vector {
    std::string_view key;
    std::size_t of4;
    std::size_t of8;
    std::size_t of64;
  };
  // From XXH3_64bits of the part that decides: 0x2d06800538d394c2 for the empty one.
  constexpr std::array kVectors = {
      Vector{"", 2, 2, 2},
      Vector{"a", 3, 7, 31},
      Vector{"k1", 1, 5, 5},
      Vector{"user:42", 2, 2, 42},
      Vector{"{42}:name", 1, 1, 17},
      Vector{"42", 1, 1, 17},
      Vector{"jobs#5001763676301123456", 3, 7, 15},
      Vector{"jobs", 3, 7, 15},
      Vector{"https://example.org/a/rather/long/path?with=a&query=and&more=of&it", 0, 0, 32},
  };
  for (const Vector& vector : kVectors) {
    CAPTURE(std::string(vector.key));
    CHECK(shard_of(vector.key, 4) == vector.of4);
    CHECK(shard_of(vector.key, 8) == vector.of8);
    CHECK(shard_of(vector.key, 64) == vector.of64);
    CHECK(shard_of(vector.key, 1) == 0);
  }
}

TEST_CASE("the first part in braces decides, if it is not empty") {
  CHECK(deciding_part("{42}:name") == "42");
  CHECK(deciding_part("user:{42}") == "42");
  CHECK(deciding_part("a{b}c{d}") == "b");
  CHECK(deciding_part("a{{b}}") == "{b");
  CHECK(deciding_part("{}{a}") == "{}{a}");
  CHECK(deciding_part("{a") == "{a");
  CHECK(deciding_part("}a{") == "}a{");
  CHECK(deciding_part("") == "");
  CHECK(deciding_part("plain") == "plain");
}

TEST_CASE("the items of a queue are where its name is, whatever that is") {
  const std::string digits = "#5001763676301123456";
  CHECK(deciding_part("jobs" + digits) == "jobs");
  CHECK(deciding_part(digits) == "");
  CHECK(deciding_part("{x}jobs" + digits) == "x");
  CHECK(deciding_part("jobs{" + digits) == "jobs{");
  CHECK(deciding_part("jobs" + digits + digits) == "jobs" + digits);
  for (const std::string& other : {"jobs" + digits + "1", "jobs" + digits.substr(0, 19),
                                   "jobs#" + digits.substr(2) + "x", digits.substr(1)}) {
    CHECK(deciding_part(other) == other);
  }
}
