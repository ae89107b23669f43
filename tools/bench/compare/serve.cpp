// SPDX-License-Identifier: Apache-2.0
#include "compare/serve.hpp"

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "compare/workloads.hpp"

namespace bench::compare {

namespace {

void answer(const nlohmann::json& line) { std::cout << line.dump() << std::endl; }

}  // namespace

int serve(std::string_view id, const std::filesystem::path& directory) {
  try {
    Workshop workshop(kind_of(id), directory);
    answer({{"version", workshop.peer().version()}});
    for (std::string line; std::getline(std::cin, line);) {
      nlohmann::json all = nlohmann::json::array();
      for (const Series& series : workshop.run(job_of(nlohmann::json::parse(line)))) {
        all.push_back(to_line(series));
      }
      answer({{"series", std::move(all)}});
    }
    return 0;
  } catch (const std::exception& error) {
    answer({{"error", error.what()}});
    return 1;
  }
}

}  // namespace bench::compare
