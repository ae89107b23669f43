// SPDX-License-Identifier: Apache-2.0
//
// Reading one flat object. A JSON library holds a value of up to 1 GiB four times over, and takes as long for
// a line as storing what is in it.
#include <charconv>
#include <cstdint>
#include <limits>
#include <utility>

#include "base64.hpp"
#include "dcache/bytes.hpp"
#include "entry_lines.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

/// UTF-8 of one character.
void append_character(std::uint32_t point, std::string& text) {
  const auto add = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (point < 0x80) {
    add(point);
  } else if (point < 0x800) {
    add(0xC0U | point >> 6);
    add(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    add(0xE0U | point >> 12);
    add(0x80U | (point >> 6 & 0x3FU));
    add(0x80U | (point & 0x3FU));
  } else {
    add(0xF0U | point >> 18);
    add(0x80U | (point >> 12 & 0x3FU));
    add(0x80U | (point >> 6 & 0x3FU));
    add(0x80U | (point & 0x3FU));
  }
}

/// JSON's tokens, one after another.
class Tokens {
 public:
  explicit Tokens(std::string_view line) noexcept : line_(line) {}

  /// Passes over white space and then over `character`, if it is there.
  bool take(char character) noexcept {
    skip_space();
    if (at_ == line_.size() || line_[at_] != character) return false;
    ++at_;
    return true;
  }
  void need(char character) {
    if (!take(character)) fail();
  }
  [[nodiscard]] bool at_end() noexcept {
    skip_space();
    return at_ == line_.size();
  }
  [[nodiscard]] char next() noexcept {
    skip_space();
    return at_ == line_.size() ? '\0' : line_[at_];
  }
  /// Replaces `text` by a string.
  void string(std::string& text) {
    text.clear();
    if (!take('"')) fail();
    for (;;) {
      const std::size_t end = line_.find_first_of("\"\\", at_);
      if (end == std::string_view::npos) {
        at_ = line_.size();
        fail();
      }
      text.append(line_, at_, end - at_);
      at_ = end + 1;
      if (line_[end] == '"') return;
      escape(text);
    }
  }
  /// A number, as it is written, or `null`, `true`, `false`.
  std::string_view word() {
    skip_space();
    const std::size_t end = line_.find_first_of(" \t\r,}]", at_);
    const std::string_view found = line_.substr(at_, end - at_);
    if (found.empty()) fail();
    at_ += found.size();
    return found;
  }
  [[noreturn]] void fail() const {
    if (at_ >= line_.size()) throw BadLine("ends too early to be a JSON object");
    throw BadLine("is not a JSON object: unexpected '" + dcache::escape(line_.substr(at_), 20) +
                  "' at column " + std::to_string(at_ + 1));
  }

 private:
  void skip_space() noexcept {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')) ++at_;
  }
  std::uint32_t four_digits() {
    std::uint32_t number = 0;
    const char* const from = line_.data() + at_;
    if (line_.size() - at_ < 4 || std::from_chars(from, from + 4, number, 16).ptr != from + 4) fail();
    at_ += 4;
    return number;
  }
  void escape(std::string& text) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (at_ == line_.size()) fail();
    const char kind = line_[at_++];
    if (const std::size_t found = kLetters.find(kind); found != std::string_view::npos) {
      text += kMeanings[found];
      return;
    }
    if (kind != 'u') {
      --at_;
      fail();
    }
    std::uint32_t point = four_digits();
    if (point >= 0xD800 && point < 0xDC00 && line_.substr(at_, 2) == "\\u") {
      at_ += 2;
      const std::uint32_t low = four_digits();
      if (low < 0xDC00 || low > 0xDFFF) throw BadLine("has half a character: \\u escapes do not pair");
      point = 0x10000 + ((point & 0x3FFU) << 10 | (low & 0x3FFU));
    } else if (point >= 0xD800 && point <= 0xDFFF) {
      throw BadLine("has half a character: \\u escapes do not pair");
    }
    append_character(point, text);
  }

  const std::string_view line_;
  std::size_t at_ = 0;
};

std::optional<Timestamp> to_time(std::string_view text) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  std::int64_t seconds = 0;
  const auto [stop, failed] = std::from_chars(text.data(), end, seconds);
  if (failed != std::errc{} || seconds < 0) return std::nullopt;
  std::int64_t fraction = 0;
  if (stop != end) {
    if (*stop != '.' || stop + 1 == end) return std::nullopt;
    std::int64_t unit = kSecond;
    for (const char* digit = stop + 1; digit != end; ++digit) {
      if (*digit < '0' || *digit > '9') return std::nullopt;
      unit /= 10;
      fraction += unit * (*digit - '0');
    }
  }
  std::int64_t nanoseconds = 0;
  if (__builtin_mul_overflow(seconds, kSecond, &nanoseconds) ||
      __builtin_add_overflow(nanoseconds, fraction, &nanoseconds)) {
    nanoseconds = std::numeric_limits<std::int64_t>::max();
  }
  return Timestamp::from_unix_nanoseconds(negative ? -nanoseconds : nanoseconds);
}

[[noreturn]] void fail_field(std::string_view name, std::string_view why) {
  throw BadLine("'" + std::string(name) + "' " + std::string(why));
}

/// What is known of a line's fields so far.
class Reader {
 public:
  Reader(std::string_view line, Item& item) : tokens_(line), item_(item) {}

  void read() {
    tokens_.need('{');
    if (!tokens_.take('}')) {
      do {
        tokens_.string(name_);
        tokens_.need(':');
        field();
      } while (tokens_.take(','));
      tokens_.need('}');
    }
    if (!tokens_.at_end()) tokens_.fail();
    if (!has_key_) throw BadLine("has no 'key'");
    if (!has_value_) throw BadLine("has no 'value'");
    if (!has_format_) item_.format = text_ ? Format::text : Format::bytes;
  }

 private:
  void once(bool& had) const {
    if (std::exchange(had, true)) throw BadLine("has '" + escape(name_, 40) + "' twice");
  }
  void text(std::string& into) {
    if (tokens_.next() != '"') fail_field(name_, "is no string");
    tokens_.string(into);
  }
  void base64(std::string& into) {
    text(decoded_);
    if (!from_base64(decoded_, into)) fail_field(name_, "is no base64");
    if (decoded_.size() > (1U << 20)) std::string().swap(decoded_);
  }
  void tags(bool encoded) {
    once(has_tags_);
    if (!tokens_.take('[')) fail_field(name_, "is no list of strings");
    if (tokens_.take(']')) return;
    do {
      std::string& tag = item_.tags.emplace_back();
      encoded ? base64(tag) : text(tag);
    } while (tokens_.take(','));
    tokens_.need(']');
  }
  void expires() {
    once(has_expires_);
    if (tokens_.next() == '"') fail_field(name_, "is no number of seconds since 1970, and not null");
    const std::string_view word = tokens_.word();
    if (word == "null") return;
    item_.expires = to_time(word);
    if (!item_.expires) fail_field(name_, "is no number of seconds since 1970, and not null");
  }
  void format() {
    once(has_format_);
    text(decoded_);
    const std::optional<Format> found = format_named(decoded_);
    if (!found) fail_field(name_, "is none of bytes, text, integer, json");
    item_.format = *found;
  }
  void field() {
    if (name_ == "key") {
      once(has_key_);
      text(item_.key);
    } else if (name_ == "key_b64") {
      once(has_key_);
      base64(item_.key);
    } else if (name_ == "value") {
      once(has_value_);
      text(item_.value);
      text_ = true;
    } else if (name_ == "value_b64") {
      once(has_value_);
      base64(item_.value);
    } else if (name_ == "tags") {
      tags(false);
    } else if (name_ == "tags_b64") {
      tags(true);
    } else if (name_ == "expires") {
      expires();
    } else if (name_ == "format") {
      format();
    } else if (name_ == "stored" || name_ == "size" || name_ == "age" || name_ == "left") {
      static_cast<void>(tokens_.word());  // what `entry --json` shows besides
    } else {
      throw BadLine("has an unknown field '" + escape(name_, 40) + "'");
    }
  }

  Tokens tokens_;
  Item& item_;
  std::string name_;
  std::string decoded_;
  bool has_key_ = false;
  bool has_value_ = false;
  bool has_tags_ = false;
  bool has_expires_ = false;
  bool has_format_ = false;
  bool text_ = false;
};

}  // namespace

void read_entry(std::string_view line, Item& item) {
  item.format = Format::bytes;
  item.tags.clear();
  item.expires.reset();
  if (!is_utf8(line)) throw BadLine("is not valid UTF-8: bytes that are no text belong into value_b64");
  Reader(line, item).read();
}

}  // namespace dcache::cli
