// SPDX-License-Identifier: Apache-2.0
#include "confirm.hpp"

#include <unistd.h>

#include "output.hpp"

namespace dcache::cli {

bool can_ask() noexcept { return ::isatty(STDIN_FILENO) == 1 && is_watched(); }

bool confirmed(const std::string& question) {
  const std::string prompt = "dcache: " + question + " [y/N] ";
  if (::write(STDERR_FILENO, prompt.data(), prompt.size()) < 0) return false;
  std::string line;
  for (char c = 0; ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) line += c;
  return line == "y" || line == "Y" || line == "yes" || line == "YES";
}

}  // namespace dcache::cli
