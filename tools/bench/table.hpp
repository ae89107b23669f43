// SPDX-License-Identifier: Apache-2.0
//
// A table for people, printed row by row so that a long run shows how far it is.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct Column {
  std::string title;
  int width;  ///< negative: to the left
};

class Table {
 public:
  /// Prints the heading.
  explicit Table(std::vector<Column> columns);
  void row(const std::vector<std::string>& cells) const;
  void rule() const;

 private:
  std::vector<Column> columns_;
};

/// A number with so many digits behind the point.
[[nodiscard]] std::string fixed(double number, int digits);

}  // namespace bench
