// SPDX-License-Identifier: Apache-2.0
#include "help.hpp"

#include <algorithm>
#include <array>

namespace dcache::cli {

namespace {

constexpr std::string_view kIntroduction =
    R"(Usage: dcache [OPTIONS] VERB ...

Keeps values with expiry and tags, and locks, in a directory that many processes share.

Examples:
  dcache set greeting hello --expire 10m --tag demo
  dcache get greeting
  dcache lock run report -- make report
  dcache locks
)";

constexpr std::string_view kRest =
    R"(
Environment:
  DCACHE_DIR        the directory when --dir is not given; without either it is
                    ${XDG_CACHE_HOME:-$HOME/.cache}/dcache

Output:
  For people by default; it may change. What --json and --plain print stays, and
  later versions only add fields at the end. Both have the same fields.
  --json   lists: an object a line; times are Unix seconds, lengths of time are
           seconds, sizes are bytes. What is no UTF-8 is in NAME_b64, as base64.
  --plain  lists: a line a record, fields between tabs, in the order that the
           verb's help names; other verbs: NAME, tab, VALUE. Numbers as in --json
           with six digits behind the point for times. Nothing is an empty field;
           yes and no are true and false. Control characters, backslashes and
           what is no UTF-8 come as \xNN, which `printf %b` turns back; tags
           are separated by commas, and a comma in a tag is \x2c.

Exit status:
  0    done
  1    no: the key is absent (`add`: present), the lock is held (`lock show` and
       `lock test`: free), the queue is empty, the lease is lost, nothing to
       remove, `doctor` found a problem, `throttle -n` would have to wait
  64   the command line makes no sense, or a key, value or tag breaks a limit
  65   damaged data (`check`: some is left), a database that is not ours or of a
       newer version, or a value of another type
  66   there is no cache in the directory, or no such file to read
  70   a fault in dcache itself
  73   the cache, or the file to write, cannot be made
  74   reading or writing failed: disk, medium, or output
  75   a time limit passed; `lock run`: the lock was lost while the command ran
  77   refused: unsafe directory, no permission, the lock's holder may be alive,
       something is there already
  130  ended by Ctrl-C; 128 + N by signal N
  `memo`, `once`, `throttle` and `lock run` pass on their command's status: 128 + N
  if signal N ended it, 126 or 127 if it cannot be run.

`dcache VERB --help` tells more about a verb, with examples.
)";

struct GroupTitle {
  Group group;
  std::string_view title;
};
constexpr std::array kGroups = {GroupTitle{Group::values, "Values"},
                                GroupTitle{Group::looking, "Looking"},
                                GroupTitle{Group::many, "Many values at once"},
                                GroupTitle{Group::queues, "Queues"},
                                GroupTitle{Group::upkeep, "Upkeep"},
                                GroupTitle{Group::commands, "Commands"},
                                GroupTitle{Group::locks, "Locks"}};

struct Line {
  std::string left;
  std::string right;
};

std::string lines(const std::vector<Line>& all) {
  constexpr std::size_t kWidest = 26;
  std::size_t width = 0;
  for (const Line& line : all) width = std::max(width, std::min(line.left.size(), kWidest));
  std::string text;
  for (const Line& line : all) {
    text.append("  ").append(line.left);
    if (line.left.size() > width) {
      text.append("\n").append(width + 2, ' ');
    } else {
      text.append(width - line.left.size(), ' ');
    }
    text.append("  ").append(line.right).append("\n");
  }
  return text;
}

bool may_repeat(const Argument& argument) {
  return argument.times == Argument::Times::any || argument.times == Argument::Times::some;
}

Line line_for(const Argument& argument) {
  Line line{std::string(argument.names), std::string(argument.help)};
  if (const std::size_t comma = line.left.find(','); comma != std::string::npos)
    line.left.insert(comma + 1, 1, ' ');
  if (!argument.value.empty()) line.left.append(" ").append(argument.value);
  if (may_repeat(argument) && argument.kind == Argument::Kind::option) line.right += " (may be repeated)";
  return line;
}

std::vector<Line> lines_for(const std::vector<Argument>& arguments, bool positional) {
  std::vector<Line> all;
  for (const Argument& argument : arguments) {
    if ((argument.kind == Argument::Kind::positional) == positional) all.push_back(line_for(argument));
  }
  return all;
}

std::string usage(const Verb& verb, const Command& command) {
  std::string text = "Usage: dcache " + std::string(verb.name) + " [OPTIONS]";
  for (const Argument& argument : command.arguments) {
    if (argument.kind != Argument::Kind::positional) continue;
    std::string name(argument.names);
    if (may_repeat(argument)) name += "...";
    const bool optional =
        argument.times == Argument::Times::optional || argument.times == Argument::Times::any;
    text += optional ? " [" + name + "]" : " " + name;
  }
  if (!command.rest_name.empty()) {
    const std::string rest = "-- " + std::string(command.rest_name);
    text += command.rest_times == Argument::Times::required ? " " + rest : " [" + rest + "]";
  }
  return text + "\n";
}

/// Words in lines of 80 columns.
std::string wrapped(std::string_view words) {
  constexpr std::size_t kWidth = 78;
  std::string text;
  while (!words.empty()) {
    const std::size_t end = words.size() <= kWidth ? words.size() : words.rfind(' ', kWidth);
    text.append("  ").append(words.substr(0, end)).append("\n");
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return text;
}

std::vector<Line> summaries(std::string_view prefix, const Group* group) {
  std::vector<Line> all;
  for (const Verb& verb : verbs()) {
    if (!verb.name.starts_with(prefix) || (group != nullptr && verb.group != *group)) continue;
    Line line{std::string(verb.name), std::string(verb.summary)};
    if (!verb.alias.empty()) line.left.append(", ").append(verb.alias);
    all.push_back(std::move(line));
  }
  return all;
}

}  // namespace

std::string help_for_all(const std::vector<Argument>& globals) {
  std::string text(kIntroduction);
  for (const GroupTitle& group : kGroups) {
    text.append("\n").append(group.title).append(":\n").append(lines(summaries("", &group.group)));
  }
  text.append("\nOptions, before or after the verb:\n").append(lines(lines_for(globals, false)));
  return text.append(kRest);
}

std::string help_for_family(std::string_view family) {
  std::string text = "Usage: dcache " + std::string(family) + " VERB ...\n\nVerbs:\n";
  text += lines(summaries(std::string(family) + " ", nullptr));
  return text.append("\n`dcache ")
      .append(family)
      .append(" VERB --help` tells more about a verb, with examples.\n");
}

std::string help_for(const Verb& verb, const Command& command) {
  std::string text = usage(verb, command);
  if (!verb.alias.empty()) text.append("       dcache ").append(verb.alias).append(" is the same\n");
  text.append("\n").append(command.about).append("\n\nExamples:\n").append(command.examples);
  if (const auto all = lines_for(command.arguments, true); !all.empty()) {
    text.append("\nArguments:\n").append(lines(all));
  }
  if (const auto all = lines_for(command.arguments, false); !all.empty()) {
    text.append("\nOptions:\n").append(lines(all));
  }
  if (!command.fields.empty()) text.append("\nColumns of --plain:\n").append(wrapped(command.fields));
  return text + "\nOptions of all verbs: --dir DIR, --json, --plain, -q, ...; see `dcache --help`.\n";
}

}  // namespace dcache::cli
