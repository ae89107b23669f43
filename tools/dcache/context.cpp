// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "dcache/error.hpp"
#include "errors.hpp"
#include "json.hpp"
#include "plain.hpp"
#include "text.hpp"

namespace dcache::cli {

namespace {

namespace fs = std::filesystem;

struct Place {
  std::string directory;
  bool by_custom = false;  ///< not named by anybody
};

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment yet
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Place find_place(const Globals& globals) {
  if (globals.dir) return {*globals.dir};
  if (auto dir = environment("DCACHE_DIR")) return {*std::move(dir)};
  // The XDG specification wants relative paths ignored.
  if (const auto base = environment("XDG_CACHE_HOME"); base && base->front() == '/') {
    return {*base + "/dcache", true};
  }
  if (const auto home = environment("HOME")) return {*home + "/.cache/dcache", true};
  throw UsageError("no directory: give --dir DIR, or set DCACHE_DIR or HOME");
}

bool has_database(const fs::path& directory) {
  std::error_code failed;
  const fs::file_status status = fs::symlink_status(directory / "cache.db", failed);
  if (failed || !fs::exists(status)) return false;
  // An empty one was never finished, and is nobody's yet.
  return !fs::is_regular_file(status) || fs::file_size(directory / "cache.db", failed) != 0;
}

/// Whether we lack the permission to use what is there.
bool is_forbidden(const fs::path& directory) {
  const auto denied = [](const fs::path& path, int mode) {
    return ::access(path.c_str(), mode) != 0 && errno == EACCES;
  };
  return denied(directory, X_OK) || denied(directory / "cache.db", R_OK);
}

Options open_options(const Globals& globals, const Place& place, Context::Missing missing) {
  // A command reads a value once.
  Options options{.allow_shared = globals.allow_shared, .allow_network = globals.allow_network, .memory = 0};
  if (globals.timeout) options.timeout = *globals.timeout;
  options.on_error = [](const Error& error) { complain(message_of(error)); };
  if (missing == Context::Missing::fail) {
    options.create = Create::never;
  } else if (place.by_custom) {
    options.create = Create::parents;
  }
  return options;
}

/// What an operating system's failure to open means.
int open_failure(const fs::path& directory, Context::Missing missing, bool existed) {
  if (is_forbidden(directory)) return kRefused;
  return !existed && missing == Context::Missing::make ? kCannotMake : kIo;
}

}  // namespace

std::vector<Argument> global_options(Globals& globals) {
  return {
      option("--dir", "DIR", globals.dir, "the cache's directory"),
      flag("--json", globals.json, "machine-readable output: one JSON document, or one a line for lists"),
      flag("--plain", globals.plain, "for scripts: fields between tabs, no headings, exact numbers"),
      flag("-q,--quiet", globals.quiet, "no counts and no notes, only data and errors"),
      option("--color", "WHEN", globals.color, "colors: auto (on a terminal; the default), always or never"),
      option("--timeout", "TIME", globals.timeout, "longest wait for other writers (default 60s)"),
      flag("--allow-shared", globals.allow_shared, "accept a directory that others own or can write"),
      flag("--allow-network", globals.allow_network, "accept a network file system used by this host alone"),
      flag("-h,--help", globals.help, "this help; after a verb, that verb's"),
      flag("--version", globals.version, "the version"),
  };
}

std::string Context::directory() const { return find_place(globals_).directory; }

Cache Context::open(Missing missing, std::uint32_t shards) const {
  const Place place = find_place(globals_);
  const fs::path directory(place.directory);
  const bool existed = has_database(directory);
  try {
    Options options = open_options(globals_, place, missing);
    options.shards = shards;
    return Cache::open(place.directory, std::move(options));
  } catch (const NotACache& error) {
    if (has_database(directory)) throw;
    // Where we may not look, nothing seems to be.
    if (is_forbidden(directory)) {
      throw Failure(kRefused, "cannot open " + in_quotes(place.directory) + ": " + errno_text(EACCES));
    }
    throw Failure(kNoCache, std::string(error.what()) + "; `dcache set` makes one");
  } catch (const ReadOnly& error) {
    throw Failure(open_failure(directory, missing, existed), error.what());
  } catch (const IoError& error) {
    throw Failure(open_failure(directory, missing, existed), error.what());
  }
}

Cache Context::restore(const std::string& file, const OnProgress& on_progress) const {
  const Place place = find_place(globals_);
  try {
    return Cache::restore(file, place.directory, open_options(globals_, place, Missing::make), on_progress);
  } catch (const ReadOnly& error) {
    throw Failure(open_failure(place.directory, Missing::make, false), error.what());
  }
}

void Context::use(const Command& command) {
  if (globals_.json && globals_.plain) throw UsageError("--json and --plain exclude each other");
  use_color(globals_.color);
  fields_.clear();
  for (std::string_view left = command.fields; !left.empty();) {
    const std::size_t end = std::min(left.find(' '), left.size());
    fields_.push_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
}

void Context::choose_fields(const std::vector<Column>& columns) {
  fields_.clear();
  for (const Column& column : columns) fields_.push_back(column.field);
}

void Context::show(const Record& record) {
  if (json()) {
    out_.write(to_json(record));
  } else if (plain()) {
    out_.write(to_plain_lines(record));
  } else {
    out_.write(to_details(record, is_colored(STDOUT_FILENO)));
  }
}

void Context::show_row(const Record& record) {
  if (json()) {
    out_.write(to_json(record));
  } else {
    out_.write(fields_.empty() ? to_plain_row(record) : to_plain_row(record, fields_));
  }
}

void Context::tell(const Record& record, const std::string& text) {
  if (for_programs()) {
    show(record);
  } else if (!globals_.quiet && !text.empty()) {
    out_.write(text + "\n");
  }
}

void Context::note(const std::string& text) const {
  if (globals_.quiet || !is_watched()) return;
  out_.flush();
  remark(text);
}

void Listing::add(const Record& record) {
  if (context_.for_programs()) {
    context_.show_row(record);
  } else {
    table_.add(record);
  }
}

}  // namespace dcache::cli
