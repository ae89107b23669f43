// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace bench {

std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

double median(std::vector<double> numbers) {
  if (numbers.empty()) return 0;
  std::sort(numbers.begin(), numbers.end());
  const std::size_t middle = numbers.size() / 2;
  return numbers.size() % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2;
}

Arguments::Arguments(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string_view::npos;
    left_.emplace_back(word.substr(0, equals));
    if (equals != std::string_view::npos) left_.emplace_back(word.substr(equals + 1));
  }
}

bool Arguments::has(std::string_view name) const {
  return std::find(left_.begin(), left_.end(), name) != left_.end();
}

bool Arguments::flag(std::string_view name) {
  const auto at = std::find(left_.begin(), left_.end(), name);
  if (at == left_.end()) return false;
  left_.erase(at);
  return true;
}

std::optional<std::string> Arguments::text(std::string_view name) {
  const auto at = std::find(left_.begin(), left_.end(), name);
  if (at == left_.end()) return std::nullopt;
  if (at + 1 == left_.end()) throw std::invalid_argument(std::string(name) + " needs a value");
  std::string value = *(at + 1);
  left_.erase(at, at + 2);
  return value;
}

double Arguments::number(std::string_view name, double otherwise) {
  const std::optional<std::string> value = text(name);
  return value ? std::stod(*value) : otherwise;
}

std::vector<std::size_t> Arguments::numbers(std::string_view name, std::vector<std::size_t> otherwise) {
  const std::optional<std::string> value = text(name);
  if (!value) return otherwise;
  std::vector<std::size_t> found;
  for (std::size_t at = 0; at <= value->size();) {
    const std::size_t end = std::min(value->find(',', at), value->size());
    found.push_back(std::stoul(value->substr(at, end - at)));
    at = end + 1;
  }
  return found;
}

void Arguments::finish(std::string_view usage) const {
  if (left_.empty()) return;
  const std::string why = left_.front() == "--help" ? "" : "unknown argument '" + left_.front() + "'\n";
  throw std::invalid_argument(why + std::string(usage));
}

Scratch::Scratch(const std::optional<std::string>& parent) {
  const std::filesystem::path root =
      parent ? std::filesystem::path(*parent) : std::filesystem::temp_directory_path();
  std::string name = (root / "dcache-bench-XXXXXX").native();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::runtime_error("cannot make a directory in " + root.native());
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

int guarded_main(int argc, char** argv, int (*body)(Arguments&)) {
  try {
    Arguments arguments(argc, argv);
    return body(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace bench
