// SPDX-License-Identifier: Apache-2.0
//
// A never-ending series of operations that both a worker, which may be killed in the middle of it, and the
// test that looks at what is left can work out from a seed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dcache/cache.hpp"

namespace dcache::test {

struct Operation {
  enum class Kind { set, set_tagged, add, erase, incr, pair };
  Kind kind = Kind::set;
  std::string key;
  std::string other;  ///< the second key of a pair, which is written in one transaction
  std::string value;
};

/// What live values there should be, and their tags.
struct Modelled {
  std::string value;
  std::vector<std::string> tags;
  friend bool operator==(const Modelled&, const Modelled&) = default;
};
using Model = std::map<std::string, Modelled>;

/// Operation number `i` of the series; its keys begin with `prefix`.
Operation operation(std::uint64_t seed, std::uint64_t i, const std::string& prefix);

void perform(const Operation& operation, Cache& cache);
void perform(const Operation& operation, Model& model);

/// What is in the cache under `prefix`.
Model stored(const Cache& cache, const std::string& prefix);

}  // namespace dcache::test
