// SPDX-License-Identifier: Apache-2.0
//
// Another process, executed anew, that is talked to in lines.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bench::compare {

/// None outlives the thread that started it, and each is killed at the end of its object unless it has ended.
class Process {
 public:
  explicit Process(const std::vector<std::string>& words);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  void say(std::string_view line);
  /// The next line that it writes to its standard output. None at its end, or when so many seconds pass.
  std::optional<std::string> line(double seconds);
  /// Closes its input and waits a little for its end, so that it can put its things in order.
  void end() noexcept;

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  std::string buffer_;
};

}  // namespace bench::compare
