// SPDX-License-Identifier: Apache-2.0
#include "plain.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "dcache/bytes.hpp"

namespace dcache::cli {

namespace {

/// Seconds with six digits behind the point, rounded toward zero: exact, where a double would not be.
std::string plain_seconds(std::int64_t nanoseconds) {
  constexpr std::int64_t kMicroseconds = 1'000'000;
  const std::int64_t all = nanoseconds / 1000;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%s%lld.%06lld", all < 0 ? "-" : "",
                static_cast<long long>(std::abs(all / kMicroseconds)),
                static_cast<long long>(std::abs(all % kMicroseconds)));
  return text.data();
}

struct Printer {
  std::string operator()(std::monostate) const { return {}; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(std::uint64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.3f", value);
    return text.data();
  }
  std::string operator()(Size size) const { return std::to_string(size.bytes); }
  std::string operator()(Timestamp time) const { return plain_seconds(time.unix_nanoseconds()); }
  std::string operator()(Duration time) const {
    return time.is_forever() ? std::string() : plain_seconds(time.nanoseconds().count());
  }
  std::string operator()(const std::string& bytes) const { return escape(bytes); }
  std::string operator()(const std::vector<std::string>& texts) const {
    std::string joined;
    for (const std::string& text : texts) {
      if (&text != texts.data()) joined += ',';
      for (const char c : escape(text)) {
        if (c == ',') {
          joined += "\\x2c";
        } else {
          joined += c;
        }
      }
    }
    return joined;
  }
};

std::string printed(const Value& value) { return std::visit(Printer{}, value.data()); }

}  // namespace

std::string to_plain_row(const Record& record, const std::vector<std::string_view>& fields) {
  std::string line;
  for (const std::string_view name : fields) {
    const auto field =
        std::find_if(record.begin(), record.end(), [&](const Field& one) { return one.name == name; });
    if (field != record.end()) line += printed(field->value);
    line += '\t';
  }
  if (!line.empty()) line.back() = '\n';
  return line;
}

std::string to_plain_row(const Record& record) {
  std::string line;
  for (const Field& field : record) line.append(printed(field.value)).append("\t");
  if (!line.empty()) line.back() = '\n';
  return line;
}

std::string to_plain_lines(const Record& record) {
  std::string text;
  for (const Field& field : record) {
    text.append(field.name).append("\t").append(printed(field.value)).append("\n");
  }
  return text;
}

}  // namespace dcache::cli
