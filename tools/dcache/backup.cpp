// SPDX-License-Identifier: Apache-2.0
//
// Whole caches: backup, restore, compact.
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "context.hpp"
#include "dcache/error.hpp"
#include "errors.hpp"
#include "new_file.hpp"
#include "progress.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

int run_backup(Context& context, const std::string& file, bool force) {
  const Cache cache = context.open(Context::Missing::fail);
  check_new_file(file, force);
  Progress progress(context, "backing up");
  cache.backup(file, {.overwrite = force, .on_progress = progress.callback()});
  const std::uint64_t size = std::filesystem::file_size(file);
  context.tell({{"file", file}, {"size", Size{size}}},
               "backed up to " + in_quotes(file) + ", " + short_size(size));
  return kDone;
}

int run_restore(Context& context, const std::string& file) {
  if (::access(file.c_str(), R_OK) != 0) {
    const int error = errno;
    throw Failure(error == ENOENT ? kNoCache : kRefused,
                  "cannot read " + in_quotes(file) + ": " + errno_text(error));
  }
  Progress progress(context, "restoring");
  const Cache cache = context.restore(file, progress.callback());
  const std::uint64_t entries = cache.size();
  const std::string directory = cache.directory().native();
  context.tell({{"directory", directory}, {"entries", entries}}, "restored to " + in_quotes(directory) +
                                                                     ", " + std::to_string(entries) +
                                                                     (entries == 1 ? " entry" : " entries"));
  return kDone;
}

int run_compact(Context& context) {
  Cache cache = context.open(Context::Missing::fail);
  Progress progress(context, "compacting");
  const CompactReport report = cache.compact({.on_progress = progress.callback()});
  context.tell({{"before", Size{report.before}},
                {"after", Size{report.after}},
                {"expired", report.expired},
                {"complete", report.complete}},
               short_size(report.before) + " before, " + short_size(report.after) + " after");
  if (!report.complete) {
    context.note(
        "others were reading all the time; the rest is given back when they pause and somebody writes");
  }
  return kDone;
}

}  // namespace

Command build_backup() {
  struct Given {
    std::string file;
    bool force = false;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Writes all values, as they are at one moment, to one file, beside the cache's\n"
              "users, and verifies it. Locks are left out. FILE is complete when it is there,\n"
              "has mode 0600, and is never overwritten without --force. `dcache restore` makes\n"
              "a cache of it.",
          .examples =
              "  dcache backup /var/backups/app.dcache\n"
              "  dcache backup --force ~/app.dcache\n",
          .arguments = {positional("FILE", given->file, Times::required, "where to"),
                        flag("-f,--force", given->force, "replace FILE if it is there")},
          .run = [given](Context& context) { return run_backup(context, given->file, given->force); }};
}

Command build_restore() {
  struct Given {
    std::string file;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Makes a cache from a file that `dcache backup` wrote, in the directory that --dir\n"
              "or the environment names, which must not hold one. The file is verified first: if\n"
              "it is damaged, of a newer version or no backup (65), nothing is made.",
          .examples =
              "  dcache restore /var/backups/app.dcache --dir /var/cache/app\n"
              "  dcache restore app.dcache --dir copy && dcache ls --dir copy\n",
          .arguments = {positional("FILE", given->file, Times::required, "a backup")},
          .run = [given](Context& context) { return run_restore(context, given->file); }};
}

Command build_compact() {
  return {.about =
              "Removes the values whose time is over, then gives the space that removed values\n"
              "have left in the database back to the file system, and prints the cache's bytes\n"
              "on the disk before and after. Without it that space is used for new values.\n"
              "Others may use the cache meanwhile, but who writes waits (about a second for\n"
              "100 MiB). It needs as much free room for a while as the database will have,\n"
              "beside the cache and where temporary files are (TMPDIR, /var/tmp).",
          .examples =
              "  dcache compact\n"
              "  dcache compact --json | jq .after\n",
          .run = run_compact};
}

}  // namespace dcache::cli
