// SPDX-License-Identifier: Apache-2.0
//
// memo: a command whose output and exit status are kept.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "child.hpp"
#include "context.hpp"
#include "dcache/get_or_set.hpp"
#include "dcache/key_of.hpp"
#include "errors.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

struct MemoArguments {
  std::vector<std::string> command;
  std::optional<std::string> key;
  std::vector<std::string> tags;
  Lifetime expire;
  Lifetime stale_ok;
};

/// What a command wrote, and how it ended.
struct Outcome {
  Ended ended;
  std::string output;
  std::string error;
};

/// The first line of a stored outcome: this, the exit status and how many of the bytes below are stdout's.
constexpr std::string_view kMemoMark = "dcache memo 1 ";

std::vector<unsigned char> stored(const Outcome& outcome) {
  std::string text(kMemoMark);
  text += std::to_string(outcome.ended.status) + " " + std::to_string(outcome.output.size()) + "\n";
  text += outcome.output;
  text += outcome.error;
  return {text.begin(), text.end()};
}

Outcome restored(const std::string& key, const std::string& text) {
  const std::string_view all = text;
  const char* const end = all.data() + all.size();
  Outcome outcome;
  if (all.starts_with(kMemoMark)) {
    std::size_t size = 0;
    const auto status = std::from_chars(all.data() + kMemoMark.size(), end, outcome.ended.status);
    if (status.ec == std::errc() && status.ptr != end && *status.ptr == ' ') {
      const auto length = std::from_chars(status.ptr + 1, end, size);
      if (length.ec == std::errc() && length.ptr != end && *length.ptr == '\n' &&
          size <= static_cast<std::size_t>(end - length.ptr) - 1) {
        outcome.output.assign(length.ptr + 1, size);
        outcome.error.assign(length.ptr + 1 + size, end);
        return outcome;
      }
    }
  }
  throw Failure(kBadData,
                "the value of " + in_quotes(key) + " is not what a command wrote; name another --key");
}

/// A file without a name that a command writes to: unlike a pipe it never fills up, whatever the command and
/// those that it leaves behind do.
class Captured {
 public:
  Captured() : file_(std::tmpfile()) {
    if (file_ == nullptr) throw Failure(kIo, "cannot make a temporary file: " + errno_text(errno));
    ::fcntl(fd(), F_SETFD, FD_CLOEXEC);
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  ~Captured() { std::fclose(file_); }

  [[nodiscard]] int fd() const { return ::fileno(file_); }

  [[nodiscard]] std::string text() const {
    std::string text;
    std::array<char, 65536> room{};
    std::rewind(file_);
    while (const std::size_t count = std::fread(room.data(), 1, room.size(), file_)) {
      text.append(room.data(), count);
    }
    if (std::ferror(file_) != 0) throw Failure(kIo, "cannot read what the command wrote");
    return text;
  }

 private:
  std::FILE* file_;
};

Outcome run_captured(const std::vector<std::string>& command) {
  const Captured output;
  const Captured error;
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const Ended ended =
      run_child({.command = command, .input = nothing, .output = output.fd(), .error = error.fd()});
  ::close(nothing);
  return {.ended = ended, .output = output.text(), .error = error.text()};
}

std::string key_of_command(const std::vector<std::string>& command) {
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).native();
  if (error) {
    throw Failure(kIo, "cannot tell the current directory: " + error.message() + "; name a --key");
  }
  return key_of("memo", here, command);
}

int run(Context& context, const MemoArguments& given) {
  if (given.stale_ok.time && (!given.expire.time || given.expire.time->is_forever())) {
    throw UsageError("--stale-ok needs --expire: what never ends is never stale");
  }
  const std::string key = given.key ? *given.key : key_of_command(given.command);
  Cache cache = context.open(Context::Missing::make);
  Outcome own;
  const auto factory = [&]() -> std::optional<std::vector<unsigned char>> {
    own = run_captured(given.command);
    if (!own.ended.complete) return std::nullopt;
    return stored(own);
  };
  const std::optional<std::string> text =
      cache.get_or_set(key, factory,
                       {.expire = given.expire.time,
                        .tags = given.tags,
                        .timeout = forever,
                        .stale_ok = given.stale_ok.time.value_or(Duration())});
  const Outcome outcome = text ? restored(key, *text) : std::move(own);
  context.out().write(outcome.output);
  context.out().flush();
  std::fwrite(outcome.error.data(), 1, outcome.error.size(), stderr);
  return outcome.ended.status;
}

}  // namespace

Command build_memo() {
  const auto given = std::make_shared<MemoArguments>();
  return {.about =
              "Runs the command and keeps what it wrote to stdout and stderr and its exit\n"
              "status, or writes and returns those if it was run before: by whomever in this\n"
              "directory, with the same words, until their time is over. Of several who ask at\n"
              "once one runs it and the others wait for that.\n"
              "\n"
              "All statuses are kept. A command that cannot be run (126, 127) or is ended by a\n"
              "signal (128 + N) is not; the next one runs it again. The command's stdin is\n"
              "empty. Its output appears when it has ended, stdout first. The cache is made if\n"
              "it is missing.\n"
              "\n"
              "What it keeps is a value as others: `dcache delete` and `dcache evict` remove it.",
          .examples =
              "  dcache memo --expire 1h -- curl -s https://example.org/rates.json\n"
              "  dcache memo --expire 10m --stale-ok 1h --tag git -- git ls-remote origin\n"
              "  dcache memo --key deps -- make deps    # from whatever directory\n",
          .arguments = {option("-e,--expire", "TIME", given->expire,
                               "life from now: 90s, 10m, 2h, 7d, 500ms, 1h30m; never (default)"),
                        option("-t,--tag", "TAG", given->tags, "a tag of what is kept"),
                        option("--key", "KEY", given->key,
                               "keep it under this key (default: made from the directory and the command)"),
                        option("--stale-ok", "TIME", given->stale_ok,
                               "show it for so much longer to all but one, who runs the command anew")},
          .rest_name = "COMMAND...",
          .rest = &given->command,
          .run = [given](Context& context) { return run(context, *given); }};
}

}  // namespace dcache::cli
