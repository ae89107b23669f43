// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/row.hpp"

#include <set>

#include "support/check.hpp"

using namespace dcache::store::sqlite;
using dcache::store::hash_of;

namespace {

std::uint64_t sum_of(const RowHead& head, std::string_view value) { return checksum(head) + hash_of(value); }

}  // namespace

TEST_CASE("tags come out of their blob as they went in") {
  for (const std::vector<std::string>& tags : {std::vector<std::string>{}, std::vector<std::string>{"a"},
                                               std::vector<std::string>{"a", "bc", std::string(256, 'd')},
                                               std::vector<std::string>{std::string("\0\1", 2), "\xFF"},
                                               std::vector<std::string>(64, std::string(256, 'x'))}) {
    CHECK(unpack_tags(pack_tags(tags)) == tags);
  }
  CHECK(pack_tags(std::vector<std::string>{}).empty());
}

TEST_CASE("a blob of tags that is cut short or too long is refused") {
  const std::string packed = pack_tags(std::vector<std::string>{"one", "two"});
  for (std::size_t size = 1; size < packed.size(); ++size) {
    if (size == 5) continue;  // exactly the first
    CAPTURE(size);
    CHECK(unpack_tags(packed.substr(0, size)) == std::nullopt);
  }
  CHECK(unpack_tags(packed + "x") == std::nullopt);
  CHECK(unpack_tags("\xFF\xFF") == std::nullopt);
}

TEST_CASE("the checksum changes with every part of a row, and a new expiry needs only the head") {
  RowHead head{.key = "key", .stored = 1, .expires = std::nullopt, .format = 1, .tags = {}, .file = {}};
  std::set<std::uint64_t> sums{sum_of(head, "value")};
  const auto changed = [&](auto&& change) {
    RowHead other = head;
    change(other);
    CHECK(sums.insert(sum_of(other, "value")).second);
  };
  changed([](RowHead& row) { row.key = "kez"; });
  changed([](RowHead& row) { row.key = ""; });
  changed([](RowHead& row) { row.stored = 2; });
  changed([](RowHead& row) { row.expires = 0; });
  changed([](RowHead& row) { row.expires = 1; });
  changed([](RowHead& row) { row.format = 2; });
  changed([](RowHead& row) { row.tags = "x"; });
  changed([](RowHead& row) { row.file = "x"; });
  CHECK(sums.insert(sum_of(head, "valuf")).second);
  CHECK(sums.insert(sum_of(head, "")).second);

  RowHead retimed = head;
  retimed.expires = 99;
  CHECK(sum_of(retimed, "value") == sum_of(head, "value") - checksum(head) + checksum(retimed));
}
