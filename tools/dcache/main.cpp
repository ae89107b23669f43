// SPDX-License-Identifier: Apache-2.0
//
// dcache: a cache directory from the command line. Each verb parses, calls the library and renders; the verbs
// live in a file a group, and only the one that is named gets built.
#include <cstddef>
#include <exception>

#include "context.hpp"
#include "dcache/version.hpp"
#include "errors.hpp"
#include "help.hpp"
#include "interrupt.hpp"
#include "parse.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace {

using namespace dcache::cli;  // NOLINT(google-build-using-namespace)

/// `dcache help x` is `dcache x --help`.
void translate_help(std::vector<std::string>& words, const std::vector<Argument>& globals) {
  const Words found = find_verb(words, globals);
  if (found.verb.empty() || found.verb.front() != "help") return;
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(found.at.front()));
  words.insert(words.begin(), "--help");
}

[[noreturn]] void refuse_verb(const std::vector<std::string>& words) {
  const bool family = words.size() > 1 && is_family(words.front());
  const std::string name = family ? words[0] + " " + words[1] : words[0];
  std::string text = "unknown verb " + in_quotes(name, 80) + "; ";
  if (const auto meant = suggest_verb(words)) text.append("did you mean '").append(*meant).append("'? ");
  throw UsageError(text + (family ? "`dcache " + words[0] : "`dcache") + " --help` lists the verbs");
}

/// A command line without a verb: nothing, or a question about dcache itself.
int run_bare(Context& context, const std::vector<std::string>& words, const std::vector<Argument>& globals) {
  parse("", Command{}, globals, words, [] { return false; });
  context.use({});
  if (context.globals().version && !context.globals().help) {
    context.out().write("dcache " DCACHE_VERSION "\n");
  } else {
    context.out().write(help_for_all(globals));
  }
  return kDone;
}

int run_verb(Context& context, const FoundVerb& found, const Words& split, std::vector<std::string> words,
             const std::vector<Argument>& globals) {
  for (std::size_t i = found.words; i-- > 0;) {
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(split.at[i]));
  }
  const Command command = found.verb->build();
  const Globals& given = context.globals();
  parse(std::string(found.verb->name), command, globals, words, [&] { return given.help || given.version; });
  if (given.version && !given.help) return run_bare(context, {"--version"}, globals);
  try {
    context.use(command);
    if (!given.help) return command.run(context);
  } catch (const UsageError& wrong) {
    throw with_verb(std::string(found.verb->name), wrong);
  }
  context.out().write(help_for(*found.verb, command));
  return kDone;
}

int dispatch(Context& context, std::vector<std::string> words, const std::vector<Argument>& globals) {
  translate_help(words, globals);
  const Words split = find_verb(words, globals);
  if (split.verb.empty()) return run_bare(context, words, globals);
  if (const FoundVerb found = find_verb_named(split.verb); found.verb != nullptr) {
    return run_verb(context, found, split, std::move(words), globals);
  }
  if (split.verb.size() > 1 || !is_family(split.verb.front())) refuse_verb(split.verb);
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(split.at.front()));
  parse(split.verb.front(), Command{}, globals, words, [] { return false; });
  context.out().write(help_for_family(split.verb.front()));
  return kDone;
}

int run(std::vector<std::string> words) {
  Globals given;
  const std::vector<Argument> globals = global_options(given);
  Context context(given);
  int code = kDone;
  try {
    code = dispatch(context, std::move(words), globals);
  } catch (const Interrupted& interrupted) {
    if (*interrupted.what() != '\0') complain(interrupted.what());
    die_of(interrupted.signal());
  } catch (const std::exception& error) {
    code = report(error);
  }
  context.out().flush();  // also what was found before a failure
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_descriptors();
  try {
    return run({argv + (argc > 0 ? 1 : 0), argv + argc});
  } catch (const std::exception& error) {
    return report(error);
  }
}
