// SPDX-License-Identifier: Apache-2.0
//
// The verb export.
#include <memory>

#include "context.hpp"
#include "entry_lines.hpp"
#include "errors.hpp"
#include "new_file.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace dcache::cli {

namespace {

using Times = Argument::Times;

struct ExportArguments {
  std::string file = "-";
  std::string prefix;
  std::vector<std::string> tags;
  bool any = false;
  bool force = false;

  [[nodiscard]] EntryFilter filter() const {
    return {.prefix = prefix, .tags = tags, .match = any ? Match::any : Match::all};
  }
};

std::uint64_t write_entries(const Cache& cache, const ExportArguments& given, Progress* progress,
                            const EntryWriter::Sink& sink) {
  // Of a selection it is not known how many there are.
  const bool all = given.prefix.empty() && given.tags.empty();
  const std::uint64_t total = progress != nullptr && all ? cache.size() : 0;
  std::uint64_t count = 0;
  EntryWriter writer(sink);
  for (const Entry& entry : cache.entries(given.filter())) {
    writer.write(entry);
    ++count;
    if (progress != nullptr) progress->update(count, total);
  }
  writer.flush();
  return count;
}

int run_export(Context& context, const ExportArguments& given) {
  const Cache cache = context.open(Context::Missing::fail);
  if (given.file != "-") {
    NewFile file(given.file, given.force);
    Progress progress(context, "exporting");
    const std::uint64_t count =
        write_entries(cache, given, &progress, [&](std::string_view text) { file.write(text); });
    progress.update(count, count);
    file.finish();
    context.tell({{"file", given.file}, {"exported", count}}, std::to_string(count));
    return kDone;
  }
  const auto sink = [&](std::string_view text) { context.out().write(text); };
  if (Output::is_terminal()) {
    write_entries(cache, given, nullptr, sink);
  } else {
    Progress progress(context, "exporting");
    write_entries(cache, given, &progress, sink);
    context.out().flush();
  }
  return kDone;
}

}  // namespace

Command build_export() {
  const auto given = std::make_shared<ExportArguments>();
  return {.about =
              "Writes the entries whose time is not over, oldest first, one a line, each a JSON\n"
              "object: what `dcache import` reads, in this cache or another, exact in every\n"
              "byte. Entries stored meanwhile may be in it or not; `dcache backup` copies one\n"
              "moment. A FILE is complete when it is there, has mode 0600, and is never\n"
              "overwritten without --force. Fields of a line:\n"
              "  key, value   text; where they are not valid UTF-8, key_b64 and value_b64 in\n"
              "               their place are base64\n"
              "  format       bytes, text, integer or json\n"
              "  tags         a list; tags_b64 if one of them is not valid UTF-8\n"
              "  expires      seconds since 1970 with a fraction, or null for never\n"
              "  stored       likewise, when it was stored; import stores anew",
          .examples =
              "  dcache export values.jsonl\n"
              "  dcache export --prefix user: --tag eu - | gzip > users.jsonl.gz\n"
              "  dcache export | jq -r .key\n",
          .arguments = {positional("FILE", given->file, Times::optional, "where to; - or nothing is stdout"),
                        option("-p,--prefix", "PREFIX", given->prefix, "only keys that begin with it"),
                        option("-t,--tag", "TAG", given->tags, "only values that have the tag"),
                        flag("-a,--any", given->any, "any of several tags will do, not all"),
                        flag("-f,--force", given->force, "replace FILE if it is there")},
          .run = [given](Context& context) { return run_export(context, *given); }};
}

}  // namespace dcache::cli
