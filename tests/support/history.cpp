// SPDX-License-Identifier: Apache-2.0
#include "support/history.hpp"

#include <random>

namespace dcache::test {

Operation operation(std::uint64_t seed, std::uint64_t i, const std::string& prefix) {
  std::mt19937_64 random(seed * 0x9E3779B97F4A7C15U + i);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  Operation result;
  result.kind = static_cast<Operation::Kind>(below(6));
  const bool counts = result.kind == Operation::Kind::incr;
  // Both keys of a pair are in one shard, whatever the number of shards.
  const std::string place = '{' + std::to_string(below(40)) + '}';
  result.key = prefix + (counts ? "count" : "key") + place;
  result.other = prefix + "other" + std::to_string(below(40)) + place;
  // Mostly small, now and then so large that it takes pages, or a file, of its own.
  result.value = std::to_string(i) + std::string(below(8) == 0 ? below(100'000) : below(100), 'x');
  return result;
}

void perform(const Operation& operation, Cache& cache) {
  switch (operation.kind) {
    case Operation::Kind::set:
      cache.set(operation.key, operation.value);
      break;
    case Operation::Kind::set_tagged:
      cache.set(operation.key, operation.value, {.tags = {"a", "b"}});
      break;
    case Operation::Kind::add:
      static_cast<void>(cache.add(operation.key, operation.value));
      break;
    case Operation::Kind::erase:
      cache.erase(operation.key);
      break;
    case Operation::Kind::incr:
      cache.incr(operation.key);
      break;
    case Operation::Kind::pair:
      cache.transact([&](Transaction& transaction) {
        transaction.set(operation.key, operation.value);
        transaction.set(operation.other, operation.value, {.tags = "pair"});
      });
      break;
  }
}

void perform(const Operation& operation, Model& model) {
  switch (operation.kind) {
    case Operation::Kind::set:
      model[operation.key] = {operation.value, {}};
      break;
    case Operation::Kind::set_tagged:
      model[operation.key] = {operation.value, {"a", "b"}};
      break;
    case Operation::Kind::add:
      model.try_emplace(operation.key, Modelled{operation.value, {}});
      break;
    case Operation::Kind::erase:
      model.erase(operation.key);
      break;
    case Operation::Kind::incr: {
      Modelled& count = model[operation.key];
      count.value = std::to_string(count.value.empty() ? 1 : std::stoll(count.value) + 1);
      break;
    }
    case Operation::Kind::pair:
      model[operation.key] = {operation.value, {}};
      model[operation.other] = {operation.value, {"pair"}};
      break;
  }
}

Model stored(const Cache& cache, const std::string& prefix) {
  Model found;
  for (const Entry& entry : cache.entries({.prefix = prefix})) found[entry.key] = {entry.value, entry.tags};
  return found;
}

}  // namespace dcache::test
