// SPDX-License-Identifier: Apache-2.0
//
// Keys that must never change: other processes and later versions look for the same ones.
#include "dcache/key_of.hpp"

#include <cmath>
#include <limits>
#include <list>
#include <tuple>

#include "dcache/json.hpp"
#include "support/check.hpp"

namespace {

struct Place {
  std::string town;
  int number = 0;
};

void to_json(nlohmann::json& json, const Place& place) {
  json = {{"town", place.town}, {"number", place.number}};
}

enum class Colour : std::uint8_t { red = 7 };

}  // namespace

TEST_CASE("a key of values is the same for ever: test vectors") {
  CHECK(key_of("p") == "p[]");
  CHECK(key_of("user", 42, "eu") == "user[42,\"eu\"]");
  CHECK(key_of("", -1, true, false, nullptr) == "[-1,true,false,null]");
  CHECK(key_of("t", std::string("a\"b\\c\n\t\x01\x1f\x7f"), 'x') ==
        "t[\"a\\\"b\\\\c\\n\\t\\u0001\\u001f\x7f\",\"x\"]");
  CHECK(key_of("b", std::string("\xff\x00\xc3\xa9", 4)) == std::string("b[\"\xff\\u0000\xc3\xa9\"]"));
  CHECK(key_of("n", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::uint64_t>::max()) ==
        "n[-9223372036854775808,18446744073709551615]");
  CHECK(key_of("f", 1.0, 0.1, -2.5F, 1e300, 1e-7) == "f[1.0,0.1,-2.5,1e+300,1e-07]");
  CHECK(key_of("z", 0.0, -0.0) == "z[0.0,0.0]");
  CHECK(key_of("i", std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()) ==
        "i[inf,-inf]");
  CHECK(key_of("e", Colour::red) == "e[7]");
  CHECK(key_of("o", std::optional<int>(), std::optional<int>(3), std::nullopt) == "o[null,3,null]");
  CHECK(key_of("c", std::vector<int>{1, 2}, std::vector<int>(), std::list<std::string>{"a"},
               std::vector<bool>{true, false}) == "c[[1,2],[],[\"a\"],[true,false]]");
  CHECK(key_of("m", std::map<std::string, int>{{"b", 2}, {"a", 1}}, std::tuple(1, "x")) ==
        "m[[[\"a\",1],[\"b\",2]],[1,\"x\"]]");
  CHECK(key_of("j", Place{"Ulm", 3}) == "j[{\"number\":3,\"town\":\"Ulm\"}]");
}

TEST_CASE("values that are written differently have different keys") {
  CHECK(key_of("k", 1) != key_of("k", "1"));
  CHECK(key_of("k", 1) != key_of("k", 1.0));
  CHECK(key_of("k", "a", "b") != key_of("k", "a\",\"b"));
  CHECK(key_of("k", "a,b") != key_of("k", "a", "b"));
  CHECK(key_of("k", std::vector<int>{1}, 2) != key_of("k", std::vector<int>{1, 2}));
  CHECK(key_of("k") != key_of("k", nullptr));
  CHECK(key_of("k", 0.1) != key_of("k", std::nextafter(0.1, 1.0)));
}

TEST_CASE("a long key ends with the SHA-256 of all of it, and is a key") {
  CHECK(key_of("long", std::string(504, 'x')).ends_with("x\"]"));
  const std::string key = key_of("long", std::string(600, 'x'));
  CHECK(key.size() == 512);
  CHECK(key.starts_with("long[\"xxx"));
  CHECK(key.substr(512 - 65) == "#ec12a8f5f07502833166067a1aca45b2b33fa9b03a473911004493c434cbb62c");
  CHECK(key != key_of("long", std::string(601, 'x')));
  CHECK(key_of(std::string(4000, 'p'), 1) != key_of(std::string(4000, 'p'), 2));
}

TEST_CASE("NaN is no part of a key") {
  CHECK(has(thrown<InvalidArgument>([] { static_cast<void>(key_of("k", std::nan(""))); }), "NaN"));
}
