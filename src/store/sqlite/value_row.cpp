// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/value_row.hpp"

#include <utility>

#include "dcache/error.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr int kStoredColumn = 0;
constexpr int kExpiresColumn = 1;
constexpr int kFormatColumn = 2;
constexpr int kTagsColumn = 4;

[[noreturn]] void damaged(std::string_view key, const std::string& path) {
  throw Corrupt("the value of key '" + escape(key, 200) + "' in '" + escape(path) +
                "' is damaged (its checksum does not match); set or delete the key");
}

}  // namespace

RowHead head_of(const Statement& row, std::string_view key) {
  RowHead head;
  head.key = key;
  head.stored = row.number(kStoredColumn);
  if (!row.is_null(kExpiresColumn)) head.expires = row.number(kExpiresColumn);
  head.format = row.number(kFormatColumn);
  head.tags = row.bytes(kTagsColumn);
  return head;
}

void verify(const Statement& row, const RowHead& head, const std::string& path) {
  if (checksum(head, row.bytes(kValueColumn)) != static_cast<std::uint64_t>(row.number(kSumColumn)))
    damaged(head.key, path);
}

Entry entry_of(const Statement& row, const RowHead& head, const std::string& path, bool with_value) {
  Entry entry;
  entry.key = head.key;
  const std::string_view value = row.bytes(kValueColumn);
  entry.size = value.size();
  if (with_value) {
    verify(row, head, path);
    entry.value = value;
  }
  if (head.expires) entry.expires = Timestamp::from_unix_nanoseconds(*head.expires);
  auto tags = unpack_tags(head.tags);
  if (!tags) damaged(head.key, path);
  entry.tags = *std::move(tags);
  entry.stored = Timestamp::from_unix_nanoseconds(head.stored);
  entry.format = static_cast<Format>(head.format);
  return entry;
}

}  // namespace dcache::store::sqlite
