// SPDX-License-Identifier: Apache-2.0
#include "conformance/engines.hpp"

#include <algorithm>

namespace dcache::test {

const std::vector<Engine>& engines() {
  static const std::vector<Engine> all = {
      {"sqlite",
       [](const std::filesystem::path& directory, Options options) { return Cache(directory, options); },
       true},
      {"memory",
       [](const std::filesystem::path&, Options options) { return Cache::open("memory:", options); }, false},
      {"sharded",
       [](const std::filesystem::path& directory, Options options) {
         options.shards = 3;
         return Cache(directory, options);
       },
       true, false},
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

void store_numbered(Cache& cache, int count, const std::string& prefix, const SetOptions& options) {
  const auto store_all = [&] {
    for (int i = 0; i < count; ++i) cache.set(prefix + std::to_string(i), std::to_string(i), options);
  };
  if (cache.state()->store().spreads(prefix)) return store_all();
  cache.transact([&](Transaction&) { store_all(); });
}

}  // namespace dcache::test
