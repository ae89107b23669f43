// SPDX-License-Identifier: Apache-2.0
#include "table.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace bench {

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  row(titles);
  rule();
}

void Table::row(const std::vector<std::string>& cells) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string& cell = i < cells.size() ? cells[i] : std::string();
    std::printf("%s%*s", i == 0 ? "" : "  ", columns_[i].width, cell.c_str());
  }
  std::printf("\n");
  std::fflush(stdout);
}

void Table::rule() const {
  std::vector<std::string> dashes;
  for (const Column& column : columns_)
    dashes.emplace_back(static_cast<std::size_t>(std::abs(column.width)), '-');
  row(dashes);
}

std::string fixed(double number, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, number);
  return text.data();
}

}  // namespace bench
