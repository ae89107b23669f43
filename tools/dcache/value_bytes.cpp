// SPDX-License-Identifier: Apache-2.0
#include "value_bytes.hpp"

#include <unistd.h>

#include <cerrno>

#include "errors.hpp"

namespace dcache::cli {

std::size_t read_stdin(std::span<char> room) {
  std::size_t have = 0;
  while (have < room.size()) {
    const ssize_t count = ::read(STDIN_FILENO, room.data() + have, room.size() - have);
    if (count > 0) {
      have += static_cast<std::size_t>(count);
    } else if (count == 0) {
      break;
    } else if (errno != EINTR) {
      const int error = errno;
      throw Failure(kIo, "cannot read stdin: " + errno_text(error));
    }
  }
  return have;
}

std::string head_of(const std::optional<std::string>& argument) {
  if (argument && *argument != "-") return *argument;
  if (!argument && ::isatty(STDIN_FILENO) == 1) {
    throw UsageError("VALUE is missing; give it, or - to type it here and end it with Ctrl-D");
  }
  std::string bytes(kHeadBytes, '\0');
  bytes.resize(read_stdin(bytes));
  return bytes;
}

std::string whole_of(const std::optional<std::string>& argument) {
  std::string bytes = head_of(argument);
  for (std::size_t more = bytes.size(); more == kHeadBytes;) {
    if (bytes.size() > kMaxValueBytes) {
      throw UsageError("the value on stdin is too large: more than " + std::to_string(kMaxValueBytes) +
                       " bytes");
    }
    const std::size_t had = bytes.size();
    bytes.resize(had + kHeadBytes);
    more = read_stdin(std::span(bytes).subspan(had));
    bytes.resize(had + more);
  }
  return bytes;
}

ByteView as_value(const std::string& bytes) {
  return ByteView(bytes).as(is_utf8(bytes) ? Format::text : Format::bytes);
}

void end_line(Context& context, char last) {
  if (Output::is_terminal() && last != '\n') context.out().write("\n");
}

void write_value(Context& context, const std::string& value) {
  context.out().write(value);
  end_line(context, value.empty() ? '\0' : value.back());
}

}  // namespace dcache::cli
