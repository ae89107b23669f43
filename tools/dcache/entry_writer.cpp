// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>

#include "base64.hpp"
#include "dcache/bytes.hpp"
#include "entry_lines.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

constexpr std::size_t kPart = std::size_t{3} << 16;  // a multiple of three, for base64

std::string escaped(unsigned point) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "\\u";
  for (const unsigned shift : {12U, 8U, 4U, 0U}) text += kDigits[point >> shift & 0xFU];
  return text;
}

/// How many bytes at the start of `text` are one character that a terminal might obey, and which; 0 if it is
/// harmless. Lines go to terminals too, and in JSON such characters can be written in another way.
struct Obeyed {
  std::size_t bytes = 0;
  unsigned point = 0;
};
Obeyed obeyed(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  if (byte(0) < 0x20 || byte(0) == 0x7F) return {1, byte(0)};
  if (byte(0) == 0xC2 && byte(1) < 0xA0) return {2, byte(1)};
  if (byte(0) == 0xD8 && byte(1) == 0x9C) return {2, 0x061C};
  if (byte(0) != 0xE2) return {};
  const unsigned point = 0x2000U | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
  const bool mark = point == 0x200E || point == 0x200F || (point >= 0x2028 && point <= 0x202E) ||
                    (point >= 0x2066 && point <= 0x2069);
  return mark ? Obeyed{3, point} : Obeyed{};
}

/// Whether the byte at the start of `text` stands in JSON as it is.
bool is_plain(std::string_view text) noexcept {
  const char byte = text.front();
  return byte != '"' && byte != '\\' && obeyed(text).bytes == 0;
}

}  // namespace

void EntryWriter::flush() {
  if (!kept_.empty()) sink_(kept_);
  kept_.clear();
}

void EntryWriter::flush_if_much() {
  if (kept_.size() >= kPart) flush();
}

void EntryWriter::add_text(std::string_view text) {
  kept_ += '"';
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < std::min(text.size(), kPart) && is_plain(text.substr(plain))) ++plain;
    kept_.append(text, 0, plain);
    text.remove_prefix(plain);
    flush_if_much();
    if (text.empty() || plain == kPart) continue;
    if (const Obeyed found = obeyed(text); found.bytes > 0) {
      kept_ += found.point == '\n' ? "\\n" : escaped(found.point);
      text.remove_prefix(found.bytes);
    } else {
      kept_.append(1, '\\').append(1, text.front());
      text.remove_prefix(1);
    }
  }
  kept_ += '"';
}

void EntryWriter::add_base64(std::string_view bytes) {
  kept_ += '"';
  for (std::size_t at = 0; at < bytes.size(); at += kPart) {
    append_base64(bytes.substr(at, kPart), kept_);
    flush_if_much();
  }
  kept_ += '"';
}

void EntryWriter::add_bytes(std::string_view name, std::string_view bytes) {
  const bool text = is_utf8(bytes);
  kept_.append("\"").append(name).append(text ? "\":" : "_b64\":");
  text ? add_text(bytes) : add_base64(bytes);
}

void EntryWriter::add_tags(const std::vector<std::string>& tags) {
  const bool text = std::all_of(tags.begin(), tags.end(), is_utf8);
  kept_ += text ? "\"tags\":[" : "\"tags_b64\":[";
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (i > 0) kept_ += ',';
    text ? add_text(tags[i]) : add_base64(tags[i]);
  }
  kept_ += ']';
}

void EntryWriter::add_time(Timestamp time) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::int64_t nanoseconds = time.unix_nanoseconds();
  if (nanoseconds < 0) kept_ += '-';
  const std::uint64_t size =
      nanoseconds < 0 ? 0 - static_cast<std::uint64_t>(nanoseconds) : static_cast<std::uint64_t>(nanoseconds);
  kept_ += std::to_string(size / kSecond);
  if (size % kSecond == 0) return;
  const std::string fraction = std::to_string(kSecond + size % kSecond).substr(1);
  kept_.append(".").append(fraction, 0, fraction.find_last_not_of('0') + 1);
}

void EntryWriter::write(const Entry& entry) {
  kept_ += '{';
  add_bytes("key", entry.key);
  kept_ += ',';
  add_bytes("value", entry.value);
  kept_.append(",\"format\":\"").append(format_name(entry.format)).append("\",");
  add_tags(entry.tags);
  kept_ += ",\"expires\":";
  if (entry.expires) {
    add_time(*entry.expires);
  } else {
    kept_ += "null";
  }
  kept_ += ",\"stored\":";
  add_time(entry.stored);
  kept_ += "}\n";
  flush_if_much();
}

}  // namespace dcache::cli
