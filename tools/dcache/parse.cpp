// SPDX-License-Identifier: Apache-2.0
//
// The only file of the command that includes CLI11, which takes seconds to compile. CLI11 splits the words
// and knows who gets which; help, messages and exit codes are ours, since a cache's words are any bytes.
#include "parse.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "dcache/bytes.hpp"
#include "errors.hpp"
#include "suggest.hpp"

namespace dcache::cli {

namespace {

// CLI11 gives some words a meaning of its own ("++", "{}", "[a,b]", an empty value). A word that is not an
// option travels under this mark, which `unmarked` takes off again.
constexpr char kMark = '\x01';

bool is_option(const std::string& word) {
  if (word.size() < 2 || word[0] != '-') return false;
  // "-5" and "-.5" are numbers.
  return word[1] != '.' && (word[1] < '0' || word[1] > '9');
}

std::string marked(const std::string& word) {
  if (!is_option(word)) return kMark + word;
  const std::size_t equals = word.find('=');
  if (!word.starts_with("--") || equals == std::string::npos) return word;
  return word.substr(0, equals + 1) + kMark + word.substr(equals + 1);
}

std::string unmarked(const std::string& word) {
  return !word.empty() && word.front() == kMark ? word.substr(1) : word;
}

std::string shown(const std::string& word) { return "'" + escape(word, 80) + "'"; }

bool takes_value(const std::string& word, const std::vector<Argument>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const Argument& argument) {
    if (argument.kind != Argument::Kind::option) return false;
    const std::size_t comma = argument.names.find(',');
    return word == argument.names.substr(0, comma) || word == shown_name(argument);
  });
}

bool is_positional(const Argument& argument) { return argument.kind == Argument::Kind::positional; }

CLI::Option* add(CLI::App& app, const Argument& argument) {
  const auto take = [&argument](const CLI::results_t& words) {
    for (const std::string& word : words) {
      const std::string text = unmarked(word);
      if (argument.kind == Argument::Kind::flag && word != "true") {
        throw UsageError(std::string(shown_name(argument)) + " takes no value");
      }
      try {
        argument.take(text);
      } catch (const UsageError& wrong) {
        throw UsageError(std::string(shown_name(argument)) + " " + shown(text) + " " + wrong.what());
      }
    }
    return true;
  };
  CLI::Option* added = app.add_option(std::string(argument.names), take);
  const bool many = argument.times == Argument::Times::any || argument.times == Argument::Times::some;
  if (argument.kind == Argument::Kind::flag) {
    added->expected(0);
  } else if (many && argument.kind == Argument::Kind::positional) {
    added->expected(-1);
  } else {
    added->expected(1);
  }
  added->multi_option_policy(many ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
  return added;
}

[[noreturn]] void refuse_extra(const std::string& word, const std::vector<const Argument*>& arguments,
                               const Command& command) {
  if (!is_option(word)) {
    const char* const hint = command.rest != nullptr ? ": write -- before the command" : "";
    throw UsageError("unexpected argument " + shown(unmarked(word)) + hint);
  }
  const std::string name = word.substr(0, word.find('='));
  std::string text = "unknown option " + shown(name);
  std::vector<std::string_view> names;
  for (const Argument* argument : arguments) {
    if (argument->kind != Argument::Kind::positional) names.push_back(shown_name(*argument));
  }
  if (const auto near = nearest(name, names)) {
    text.append(": did you mean '").append(*near).append("'?");
  } else if (std::any_of(command.arguments.begin(), command.arguments.end(), is_positional)) {
    text += ": write -- before what begins with '-' and is no option";
  }
  throw UsageError(text);
}

}  // namespace

Words find_verb(const std::vector<std::string>& words, const std::vector<Argument>& globals) {
  Words found;
  for (std::size_t i = 0; i < words.size() && found.verb.size() < 2 && words[i] != "--"; ++i) {
    if (!is_option(words[i])) {
      found.verb.push_back(words[i]);
      found.at.push_back(i);
    } else if (takes_value(words[i], globals)) {
      ++i;
    }
  }
  return found;
}

void parse(const std::string& title, const Command& command, const std::vector<Argument>& globals,
           const std::vector<std::string>& words, const std::function<bool()>& lenient) {
  const auto end = std::find(words.begin(), words.end(), "--");
  std::vector<std::string> given;
  std::transform(words.begin(), end, std::back_inserter(given), marked);
  if (command.rest != nullptr && end != words.end()) {
    command.rest->assign(end + 1, words.end());
  } else if (end != words.end()) {
    std::transform(end + 1, words.end(), std::back_inserter(given),
                   [](const std::string& word) { return kMark + word; });
  }

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::vector<const Argument*> arguments;
  for (const Argument& argument : command.arguments) arguments.push_back(&argument);
  for (const Argument& argument : globals) arguments.push_back(&argument);
  std::vector<CLI::Option*> options;
  for (const Argument* argument : arguments) options.push_back(add(app, *argument));

  const std::string more = "; see `dcache" + (title.empty() ? "" : " " + title) + " --help`";
  try {
    std::reverse(given.begin(), given.end());  // as this overload of parse wants it
    app.parse(given);
    if (lenient()) return;
    // First what was not understood: what is missing may be in it.
    if (const std::vector<std::string> extra = app.remaining(); !extra.empty()) {
      refuse_extra(extra.front(), arguments, command);
    }
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const bool needed =
          arguments[i]->times == Argument::Times::required || arguments[i]->times == Argument::Times::some;
      if (needed && options[i]->count() == 0) {
        throw UsageError(std::string(shown_name(*arguments[i])) + " is missing");
      }
    }
    if (command.rest != nullptr && command.rest->empty()) {
      throw UsageError("`-- " + std::string(command.rest_name) + "` is missing");
    }
  } catch (const UsageError& wrong) {
    throw UsageError((title.empty() ? "" : title + ": ") + wrong.what() + more);
  } catch (const CLI::ArgumentMismatch& wrong) {
    const std::string text = wrong.what();  // "--tag: 1 required TEXT missing"
    throw UsageError((title.empty() ? "" : title + ": ") + text.substr(0, text.find(':')) + " needs a value" +
                     more);
  } catch (const CLI::Error& wrong) {
    throw UsageError(escape(wrong.what()) + more);
  }
}

}  // namespace dcache::cli
