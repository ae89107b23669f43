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
#include "text.hpp"

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

std::string shown(const std::string& word) { return in_quotes(word, 80); }

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

/// The words for CLI11. What follows "--" goes to the command's rest, if it has one, and is no option
/// otherwise.
std::vector<std::string> marked_words(const Command& command, const std::vector<Argument>& arguments,
                                      const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  std::vector<std::string> given;
  std::transform(words.begin(), end, std::back_inserter(given), marked);
  if (end == words.end()) return given;
  auto rest = end + 1;
  if (command.rest == nullptr) {
    for (; rest != words.end(); ++rest) given.push_back(kMark + *rest);
    return given;
  }
  // `lock run -- -key -- command`: nothing stood before the first "--", so it was there for the key's sake.
  const bool second = words.end() - rest >= 2 && rest[1] == "--";
  if (second && find_verb({words.begin(), end}, arguments).verb.empty()) {
    given.push_back(kMark + *rest);
    rest += 2;
  }
  command.rest->assign(rest, words.end());
  return given;
}

[[noreturn]] void refuse_extra(const std::string& word, const std::vector<Argument>& arguments,
                               const Command& command) {
  if (!is_option(word)) {
    const char* const hint = command.rest != nullptr ? " (write -- before the command)" : "";
    throw UsageError("unexpected argument " + shown(unmarked(word)) + hint);
  }
  const std::string name = word.substr(0, word.find('='));
  std::string text = "unknown option " + shown(name);
  std::vector<std::string_view> names;
  for (const Argument& argument : arguments) {
    if (!is_positional(argument)) names.push_back(shown_name(argument));
  }
  if (const auto near = nearest(name, names)) {
    text.append(" (did you mean '").append(*near).append("'?)");
  } else if (std::any_of(command.arguments.begin(), command.arguments.end(), is_positional)) {
    text += " (write -- before an argument that begins with '-')";
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
  std::vector<Argument> all = command.arguments;
  all.insert(all.end(), globals.begin(), globals.end());
  std::vector<std::string> given = marked_words(command, all, words);

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::vector<CLI::Option*> options;
  options.reserve(all.size());
  for (const Argument& argument : all) options.push_back(add(app, argument));

  const std::string more = "; see `dcache" + (title.empty() ? "" : " " + title) + " --help`";
  try {
    std::reverse(given.begin(), given.end());  // as this overload of parse wants it
    app.parse(given);
    if (lenient()) return;
    // First what was not understood: what is missing may be in it.
    if (const std::vector<std::string> extra = app.remaining(); !extra.empty()) {
      refuse_extra(extra.front(), all, command);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool needed = all[i].times == Argument::Times::required || all[i].times == Argument::Times::some;
      if (needed && options[i]->count() == 0) {
        throw UsageError(std::string(shown_name(all[i])) + " is missing");
      }
    }
    const bool rest_needed = command.rest_times == Argument::Times::required;
    if (command.rest != nullptr && rest_needed && command.rest->empty()) {
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
