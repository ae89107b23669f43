// SPDX-License-Identifier: Apache-2.0
#include "support/check.hpp"

TEST_CASE("escape leaves text alone and shows as hexadecimal what could harm a terminal or a log") {
  struct Row {
    std::string bytes;
    std::string shown;
  };
  const std::vector<Row> table{
      {"", ""},
      {"plain text, 'quoted' \"twice\"", "plain text, 'quoted' \"twice\""},
      {"\x1b[31mred", "\\x1b[31mred"},
      {"a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"del\x7f", "del\\x7f"},
      {"back\\slash", "back\\x5cslash"},
      {"Grüße, 世界 🙂", "Grüße, 世界 🙂"},
      {"\u200E\u200F\u061C", "\\xe2\\x80\\x8e\\xe2\\x80\\x8f\\xd8\\x9c"},
      {"\u202A\u202E", "\\xe2\\x80\\xaa\\xe2\\x80\\xae"},
      {"\u2066\u2069", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9"},
      {"\u2028\u2029", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9"},
      {"\u0085\u009B", "\\xc2\\x85\\xc2\\x9b"},  // C1: NEL, and an ESC [ of one character
      {"\u2065\u206A\u2030", "\u2065\u206A\u2030"},
      {"\xFF\xFE", "\\xff\\xfe"},
      {"\xC3", "\\xc3"},                             // cut off
      {"\xC3(", "\\xc3("},                           // no continuation
      {"\xC0\x80", "\\xc0\\x80"},                    // overlong NUL
      {"\xE0\x80\xAF", "\\xe0\\x80\\xaf"},           // overlong
      {"\xED\xA0\x80", "\\xed\\xa0\\x80"},           // surrogate
      {"\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond Unicode
      {"\xF0\x9F\x99", "\\xf0\\x9f\\x99"},           // cut off in the last byte
      {"\x80 alone", "\\x80 alone"},
  };
  for (const Row& row : table) {
    CAPTURE(row.shown);
    CHECK(escape(row.bytes) == row.shown);
  }
}

TEST_CASE("escape shows at most so many bytes and never half a character") {
  CHECK(escape("abcdef", 6) == "abcdef");
  CHECK(escape("abcdef", 5) == "abcde…");
  CHECK(escape("abcdef", 0) == "…");
  CHECK(escape("", 0).empty());
  CHECK(escape("aé", 2) == "a…");
  CHECK(escape("aé", 3) == "aé");
  CHECK(escape("\x1b\x1b", 1) == "\\x1b…");
}

TEST_CASE("what escape makes is always printable UTF-8") {
  std::string pairs;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string bytes{static_cast<char>(a), static_cast<char>(b)};
      const std::string shown = escape(bytes);
      if (!is_utf8(shown)) FAIL_CHECK("not UTF-8: " << a << ' ' << b);
      for (const char c : shown) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) FAIL_CHECK("control: " << a << ' ' << b);
      }
    }
  }
}

TEST_CASE("is_utf8 knows what is valid") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("Grüße, 世界 🙂"));
  CHECK(is_utf8(std::string("\0", 1)));
  CHECK(is_utf8("\xF4\x8F\xBF\xBF"));
  for (const char* bad : {"\xFF", "\xC3", "\xC0\x80", "\xC1\xBF", "\xE0\x80\xAF", "\xED\xA0\x80",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "ok\x80"}) {
    CHECK_FALSE(is_utf8(bad));
  }
}
