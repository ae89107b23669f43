// SPDX-License-Identifier: Apache-2.0
#include "conformance/engines.hpp"

#include <algorithm>

namespace dcache::test {

const std::vector<Engine>& engines() {
  static const std::vector<Engine> all = {
      {"sqlite",
       [](const std::filesystem::path& directory, const Options& options) {
         return Cache(directory, options);
       },
       true},
      {"memory",
       [](const std::filesystem::path&, const Options& options) { return Cache::open("memory:", options); },
       false},
  };
  return all;
}

Keys keys(const Cache& cache, const EntryFilter& filter) {
  Keys found;
  for (const Entry& entry : cache.entries(filter)) found.push_back(entry.key);
  return found;
}

void check_keys(const Cache& cache, Keys expected) {
  std::sort(expected.begin(), expected.end());
  CHECK(keys(cache, {.order = Order::key}) == expected);
  CHECK(cache.size() == expected.size());
}

}  // namespace dcache::test
