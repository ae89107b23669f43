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
constexpr int kFileColumn = 5;

}  // namespace

void throw_damaged(std::string_view key, const std::string& path, const std::string& why) {
  throw Corrupt("the value of key '" + escape(key, 200) + "' in '" + escape(path) + "' is damaged (" + why +
                "); set or delete the key");
}

RowHead head_of(const Statement& row, std::string_view key) {
  RowHead head;
  head.key = key;
  head.stored = row.number(kStoredColumn);
  if (!row.is_null(kExpiresColumn)) head.expires = row.number(kExpiresColumn);
  head.format = row.number(kFormatColumn);
  if (!row.is_null(kTagsColumn)) head.tags = row.bytes(kTagsColumn);
  if (!row.is_null(kFileColumn)) head.file = row.bytes(kFileColumn);
  return head;
}

std::uint64_t expected_hash(const Statement& row, const RowHead& head) {
  return static_cast<std::uint64_t>(row.number(kSumColumn)) - checksum(head);
}

std::optional<FileRef> file_of(const RowHead& head, const std::string& path) {
  if (head.file.empty()) return std::nullopt;
  std::optional<FileRef> file = FileRef::unpack(head.file);
  if (!file) throw_damaged(head.key, path, "its row names no valid file");
  return file;
}

std::string_view verified_value(const Statement& row, const RowHead& head, const std::string& path) {
  const std::string_view value = row.bytes(kValueColumn);
  if (hash_of(value) != expected_hash(row, head))
    throw_damaged(head.key, path, "its checksum does not match");
  return value;
}

Entry entry_of(const Statement& row, const RowHead& head, const std::string& path) {
  Entry entry;
  entry.key = head.key;
  const std::optional<FileRef> file = file_of(head, path);
  entry.size = file ? file->size : row.bytes(kValueColumn).size();
  if (head.expires) entry.expires = Timestamp::from_unix_nanoseconds(*head.expires);
  auto tags = unpack_tags(head.tags);
  if (!tags) throw_damaged(head.key, path, "its tags cannot be read");
  entry.tags = *std::move(tags);
  entry.stored = Timestamp::from_unix_nanoseconds(head.stored);
  entry.format = static_cast<Format>(head.format);
  return entry;
}

}  // namespace dcache::store::sqlite
