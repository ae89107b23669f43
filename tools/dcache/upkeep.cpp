// SPDX-License-Identifier: Apache-2.0
//
// Keeping a cache in order: check.
#include <algorithm>
#include <memory>

#include "context.hpp"
#include "errors.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

/// Whether it counts as damage that is still there. A foreign file harms nothing, and nobody mends it.
bool is_left(const Problem& problem) { return !problem.fixed && problem.kind != Problem::Kind::foreign; }

std::string counted(std::uint64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string summary_of(const CheckReport& report, std::uint64_t fixed, std::uint64_t left) {
  const std::string looked = "looked at " + counted(report.entries, "entry", "entries") + ", " +
                             counted(report.files, "value file", "value files") + " and " +
                             counted(report.records, "lock", "locks") + ": ";
  if (report.problems.empty()) return looked + "nothing is damaged";
  return looked + counted(report.problems.size(), "finding", "findings") + ", " + std::to_string(fixed) +
         " mended, " + std::to_string(left) + " left";
}

int check(Context& context, bool fix) {
  Cache cache = context.open(Context::Missing::fail);
  const CheckReport report = [&] {
    Progress progress(context, "checking");
    return cache.check({.fix = fix, .on_progress = progress.callback()});
  }();
  std::uint64_t fixed = 0;
  std::uint64_t left = 0;
  for (const Problem& problem : report.problems) {
    fixed += problem.fixed ? 1 : 0;
    left += is_left(problem) ? 1 : 0;
    if (context.for_programs()) {
      context.show_row({{"type", "finding"},
                        {"kind", std::string(name(problem.kind))},
                        {"key", problem.key},
                        {"text", problem.text},
                        {"fixed", problem.fixed}});
    } else {
      // The text is escaped where it is made.
      context.out().write(std::string(name(problem.kind)) + ": " + problem.text +
                          (problem.fixed ? " (mended)\n" : "\n"));
    }
  }
  if (context.for_programs()) {
    context.show_row({{"type", "summary"},
                      {"entries", report.entries},
                      {"tag_rows", report.tag_rows},
                      {"locks", report.records},
                      {"files", report.files},
                      {"findings", static_cast<std::uint64_t>(report.problems.size())},
                      {"fixed", fixed},
                      {"left", left}});
  } else {
    context.tell({}, summary_of(report, fixed, left));
  }
  if (left > 0 && !fix) context.note("`dcache check --fix` mends what can be mended");
  return left > 0 ? kBadData : kDone;
}

}  // namespace

Command build_check() {
  struct Given {
    bool fix = false;
  };
  const auto given = std::make_shared<Given>();
  return {.about =
              "Looks at all that is stored, beside its users: the database, each value and its\n"
              "checksum, tags, value files. Prints each finding on a line of its own, and then\n"
              "a summary. Nothing is changed without --fix; with it, what is damaged is moved\n"
              "below DIR/damaged and is absent from then on. Kinds of findings:\n"
              "  database  the database itself is damaged; if its structure is, nothing is mended\n"
              "  index     an index does not fit its table\n"
              "  value     a value does not match its checksum, or its file is gone\n"
              "  tag       the list of a tag lacks a value, or has one too many\n"
              "  total     the stored number of bytes in value files is wrong\n"
              "  settings  the stored settings cannot be read\n"
              "  fence     no lock can be granted: the counter of fences cannot be read\n"
              "  leftover  a file of a writer that died, or that no value refers to\n"
              "  foreign   a file that is not the cache's: left alone, and counted as no damage\n"
              "\n"
              "With --json each line has a `type`. A `finding` has kind, key (or null), text\n"
              "and fixed; the `summary`, which is the last line, has entries, tag_rows, locks,\n"
              "files, findings, fixed and left (the damage that is still there). With --plain a\n"
              "line has the same fields in this order, `type` first.\n"
              "\n"
              "Exit status: 0 if nothing is damaged or all of it was mended, 65 otherwise.",
          .examples =
              "  dcache check\n"
              "  dcache check --fix\n"
              "  dcache check --json | jq -r 'select(.kind == \"value\").key'\n",
          .arguments = {flag("--fix", given->fix, "mend what can be mended")},
          .run = [given](Context& context) { return check(context, given->fix); }};
}

}  // namespace dcache::cli
