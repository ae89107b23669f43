// SPDX-License-Identifier: Apache-2.0
#include "render.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "color.hpp"
#include "dcache/bytes.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

/// Longer texts make a table unreadable; `--json` has them in full.
constexpr std::size_t kLongestCell = 120;

struct Shower {
  std::size_t limit;

  std::string operator()(std::monostate) const { return "-"; }
  std::string operator()(bool value) const { return value ? "yes" : "no"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(std::uint64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), value < 100 ? "%.2f" : "%.0f", value);
    return text.data();
  }
  std::string operator()(Size size) const { return short_size(size.bytes); }
  std::string operator()(Timestamp time) const { return local_time(time); }
  std::string operator()(Duration time) const { return short_duration(time); }
  std::string operator()(const std::string& bytes) const {
    return bytes.empty() ? "''" : escape(bytes, limit);
  }
  std::string operator()(const std::vector<std::string>& texts) const {
    std::string joined;
    for (const std::string& text : texts)
      joined.append(joined.empty() ? "" : ",").append(escape(text, limit));
    return joined.empty() ? "-" : joined;
  }
};

std::string cell(const Record& record, std::string_view name) {
  const auto field =
      std::find_if(record.begin(), record.end(), [&](const Field& one) { return one.name == name; });
  return field == record.end() ? "-" : std::visit(Shower{kLongestCell}, field->value.data());
}

}  // namespace

std::string to_text(const Value& value) { return std::visit(Shower{std::string::npos}, value.data()); }

std::string to_details(const Record& record, bool colored) {
  std::size_t width = 0;
  for (const Field& field : record) width = std::max(width, field.name.size());
  std::string text;
  for (const Field& field : record) {
    std::string name(field.name);
    std::replace(name.begin(), name.end(), '_', ' ');
    const std::string shown = to_text(field.value);
    const Paint paint = colored && field.name == "state" ? paint_of_state(shown) : Paint::none;
    text.append(colored ? painted(Paint::heading, name) : name).append(":");
    text.append(width - name.size() + 1, ' ').append(painted(paint, shown)).append("\n");
  }
  return text;
}

Table::Table(Output& out, std::vector<Column> columns, Layout layout)
    : out_(out), columns_(std::move(columns)), layout_(layout), colored_(is_colored(STDOUT_FILENO)) {
  for (Column& column : columns_) column.width = std::max(column.width, column.heading.size());
}

void Table::add(const Record& record) {
  Row row;
  row.reserve(columns_.size());
  for (const Column& column : columns_) row.push_back(cell(record, column.field));
  if (layout_ == Layout::stream) {
    write(row);
  } else {
    kept_.push_back(std::move(row));
  }
}

void Table::end() {
  for (const Row& row : kept_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      columns_[i].width = std::max(columns_[i].width, columns_of(row[i]));
    }
  }
  for (const Row& row : kept_) write(row);
  kept_.clear();
}

void Table::write(const Row& row) {
  if (!headed_) {
    headed_ = true;
    Row headings;
    for (const Column& column : columns_) headings.emplace_back(column.heading);
    write_line(headings, [](std::size_t) { return Paint::heading; });
  }
  write_line(row, [&](std::size_t i) {
    return columns_[i].field == "state" ? paint_of_state(row[i]) : Paint::none;
  });
}

void Table::write_line(const Row& row, const std::function<Paint(std::size_t)>& paint) {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::size_t wide = columns_of(row[i]);
    const std::size_t gap = columns_[i].width > wide ? columns_[i].width - wide : 0;
    const bool last = i + 1 == row.size();
    if (columns_[i].align == Column::Align::right) line.append(gap, ' ');
    line.append(colored_ ? painted(paint(i), row[i]) : row[i]);
    if (columns_[i].align == Column::Align::left && !last) line.append(gap, ' ');
    line.append(last ? "\n" : "  ");
  }
  out_.write(line);
}

}  // namespace dcache::cli
