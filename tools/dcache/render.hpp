// SPDX-License-Identifier: Apache-2.0
//
// Records as people see them. Whatever comes from a cache is escaped here, on a terminal or not.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "color.hpp"
#include "output.hpp"
#include "record.hpp"

namespace dcache::cli {

/// One value, safe on a terminal and in one line; "-" for nothing.
[[nodiscard]] std::string to_text(const Value& value);

/// The record as lines of `name: value`.
[[nodiscard]] std::string to_details(const Record& record, bool colored);

struct Column {
  std::string_view field;  ///< the field of the record that it shows
  std::string_view heading;
  enum class Align { left, right } align = Align::left;
  std::size_t width = 0;  ///< at least; what is wider shifts the rest of its line
};

/// Rows under headings. A table of which nothing is known beforehand keeps its rows until `end`, to find the
/// widths; one that streams writes each row at once in the widths of its columns.
class Table {
 public:
  enum class Layout { fit, stream };
  Table(Output& out, std::vector<Column> columns, Layout layout);

  void add(const Record& record);
  /// Call it after the last row. A table without rows writes nothing, no headings either.
  void end();

 private:
  using Row = std::vector<std::string>;
  void write(const Row& row);
  void write_line(const Row& row, const std::function<Paint(std::size_t)>& paint);

  Output& out_;
  std::vector<Column> columns_;
  Layout layout_;
  bool colored_;
  std::vector<Row> kept_;
  bool headed_ = false;
};

}  // namespace dcache::cli
