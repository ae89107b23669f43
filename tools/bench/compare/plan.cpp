// SPDX-License-Identifier: Apache-2.0
#include "compare/plan.hpp"

#include <algorithm>
#include <stdexcept>

namespace bench::compare {

namespace {

/// How thoroughly.
struct Scale {
  std::size_t runs;
  std::size_t calls;
  double seconds;        ///< of each work of one peer in one run
  std::size_t big_runs;  ///< of stores of more than a million entries
  std::vector<std::size_t> entries;
  std::size_t brief_entries;  ///< stores of up to so many are not measured in everything
  std::size_t mixed_entries;
  std::vector<std::size_t> processes;
  double mixed_seconds;
  std::vector<std::size_t> fighters;
  std::vector<std::uint64_t> holds_us;
  double fight_seconds;
  std::size_t value_bytes;  ///< of all values of a store of one size
};

constexpr std::size_t kManyEntries = 1'000'000;

Stage stage(std::string name, std::size_t runs, std::size_t entries, std::size_t value) {
  return {.name = std::move(name), .runs = runs, .entries = entries, .value = value, .steps = {}};
}

void add(Stage& stage, const Scale& scale, std::string work, bool fresh = false) {
  stage.steps.push_back({.job = {.work = std::move(work),
                                 .entries = stage.entries,
                                 .value = stage.value,
                                 .calls = scale.calls,
                                 .seconds = scale.seconds},
                         .processes = 1,
                         .fresh = fresh});
}

Stage store(const Scale& scale, std::size_t entries) {
  const bool many = entries > kManyEntries;
  const bool brief = many || entries <= scale.brief_entries;
  Stage made = stage("entries", many ? scale.big_runs : scale.runs, entries, 128);
  add(made, scale, "get cold", true);
  for (const char* work : {"get hot", "get miss", "overwrite", "set new", "add erase", "batch"}) {
    add(made, scale, work);
  }
  if (!brief) {
    for (const char* work : {"ycsb a", "ycsb b", "ycsb c", "ycsb d", "ycsb f"}) add(made, scale, work);
    add(made, scale, "evict");
  }
  add(made, scale, "open");
  return made;
}

Stage sizes(const Scale& scale, std::size_t value) {
  constexpr std::size_t kMost = 1000;
  constexpr std::size_t kLeast = 8;
  Stage made = stage("sizes", scale.runs, std::clamp(scale.value_bytes / value, kLeast, kMost), value);
  add(made, scale, "overwrite");
  add(made, scale, "get hot");
  return made;
}

Stage processes(const Scale& scale) {
  Stage made = stage("processes", scale.runs, scale.mixed_entries, 128);
  for (const std::size_t count : scale.processes) {
    add(made, scale, "mixed");
    made.steps.back().processes = count;
    made.steps.back().job.seconds = scale.mixed_seconds;
  }
  return made;
}

Stage locks(const Scale& scale) {
  Stage made = stage("locks", scale.runs, 0, 0);
  add(made, scale, "lock pair");
  for (const std::size_t count : scale.fighters) {
    for (const std::uint64_t hold : scale.holds_us) {
      add(made, scale, "locks");
      made.steps.back().processes = count;
      made.steps.back().job.seconds = scale.fight_seconds;
      made.steps.back().job.hold_us = hold;
    }
  }
  return made;
}

Scale scale_of(std::string_view name) {
  if (name == "tiny") {
    return {.runs = 2,
            .calls = 100,
            .seconds = 0.1,
            .big_runs = 1,
            .entries = {500},
            .brief_entries = 0,
            .mixed_entries = 500,
            .processes = {1, 2},
            .mixed_seconds = 0.05,
            .fighters = {2},
            .holds_us = {0, 1000},
            .fight_seconds = 0.05,
            .value_bytes = 128U << 10U};
  }
  if (name == "quick") {
    return {.runs = 3,
            .calls = 20'000,
            .seconds = 0.1,
            .big_runs = 1,
            .entries = {10'000, 100'000},
            .brief_entries = 10'000,
            .mixed_entries = 10'000,
            .processes = {1, 2, 4, 8},
            .mixed_seconds = 0.25,
            .fighters = {4},
            .holds_us = {0, 1000},
            .fight_seconds = 0.4,
            .value_bytes = 16U << 20U};
  }
  if (name == "full") {
    return {.runs = 5,
            .calls = 100'000,
            .seconds = 0.3,
            .big_runs = 3,
            .entries = {10'000, 100'000, 1'000'000, 10'000'000},
            .brief_entries = 0,
            .mixed_entries = 100'000,
            .processes = {1, 2, 4, 8},
            .mixed_seconds = 1,
            .fighters = {2, 4, 8},
            .holds_us = {0, 1000},
            .fight_seconds = 1,
            .value_bytes = 64U << 20U};
  }
  throw std::invalid_argument("unknown plan '" + std::string(name) + "': quick, full or tiny");
}

}  // namespace

Plan plan_of(std::string_view name, const std::vector<std::size_t>& entries) {
  Scale scale = scale_of(name);
  if (!entries.empty()) scale.entries = entries;
  Plan plan{.name = std::string(name), .minutes = name == "full" ? 57.0 : 4.7, .stages = {}};
  plan.stages.push_back(locks(scale));
  plan.stages.push_back(processes(scale));
  for (const std::size_t value : {std::size_t{64}, std::size_t{1} << 10U, std::size_t{16} << 10U,
                                  std::size_t{64} << 10U, std::size_t{1} << 20U}) {
    plan.stages.push_back(sizes(scale, value));
  }
  for (const std::size_t count : scale.entries) plan.stages.push_back(store(scale, count));
  return plan;
}

bool can(const Kind& kind, const Stage& stage, const Step& step) {
  const Abilities& has = kind.abilities;
  const std::string& work = step.job.work;
  if (stage.entries > kind.most_entries || (step.processes > 1 && !has.processes)) return false;
  if (work == "lock pair" || work == "locks") return has.locks;
  if (work == "batch") return has.values && has.batches;
  if (work == "evict") return has.tags;
  return has.values;
}

}  // namespace bench::compare
