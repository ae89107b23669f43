// SPDX-License-Identifier: Apache-2.0
//
// What whole processes meet: how long it takes to open a cache that exists, what several processes get of
// one lock, how evenly many share it, how soon it is free when its holder is killed, and what readers and
// permits cost.
#include "contention.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support.hpp"
#include "team.hpp"

namespace {

constexpr std::string_view kUsage =
    "usage: bench-contention [--quick] [--dir DIR] [--only PART] [--runs N] [--seconds S] [--workers N,...]\n"
    "                        [--hold US,...] [--waiters N,...] [--rounds N]\n"
    "  --only     one part: open, fights, fairness, kills, writers or sharing\n"
    "  --runs     runs of each fight (5; others 3)\n"
    "  --seconds  length of each (3; sharing 1)\n"
    "  --workers  processes that fight for one lock (2,4,8; sharing 1,2,8)\n"
    "  --hold     microseconds for which each grant is held (0,100,1000; fairness 0,100; sharing 0,1000)\n"
    "  --waiters  processes of the fairness part (64)\n"
    "  --rounds   holders killed (200)\n"
    "  --quick    4 workers, holds of 0 and 1000 us, 3 runs of 0.5 s (fairness 1 of 2 s), 30 rounds,\n"
    "             1 run of sharing";

struct Plan {
  bench::FightOptions fights{.workers = {2, 4, 8}, .holds = {0, 100, 1000}, .runs = 5, .seconds = 3};
  bench::FightOptions fairness{.workers = {64}, .holds = {0, 100}, .runs = 3, .seconds = 3};
  bench::FightOptions writers{.workers = {8}, .holds = {}, .runs = 3, .seconds = 3};
  bench::FightOptions sharing{.workers = {1, 2, 8}, .holds = {0, 1000}, .runs = 3, .seconds = 1};
  std::size_t rounds = 200;
};

Plan read_plan(bench::Arguments& arguments) {
  Plan plan;
  if (arguments.flag("--quick")) {
    plan.fights = {.workers = {4}, .holds = {0, 1000}, .runs = 3, .seconds = 0.5};
    plan.fairness.runs = 1;
    plan.fairness.seconds = 2;
    plan.writers.runs = 1;
    plan.sharing.runs = 1;
    plan.rounds = 30;
  }
  if (const auto workers = arguments.numbers("--workers", {}); !workers.empty()) {
    plan.fights.workers = plan.sharing.workers = workers;
  }
  plan.fairness.workers = arguments.numbers("--waiters", plan.fairness.workers);
  const std::vector<std::size_t> holds = arguments.numbers("--hold", {});
  const std::size_t runs = arguments.numbers("--runs", {0}).front();
  const double seconds = arguments.number("--seconds", 0);
  for (bench::FightOptions* options : {&plan.fights, &plan.fairness, &plan.writers, &plan.sharing}) {
    if (!holds.empty()) options->holds = holds;
    if (runs > 0) options->runs = runs;
    if (seconds > 0) options->seconds = seconds;
    for (const std::size_t workers : options->workers) {
      if (workers == 0 || workers > bench::kMostWorkers) {
        throw std::invalid_argument("from 1 to " + std::to_string(bench::kMostWorkers) + " processes");
      }
    }
  }
  plan.rounds = arguments.numbers("--rounds", {plan.rounds}).front();
  return plan;
}

int run(bench::Arguments& arguments) {
  if (arguments.has("--worker")) return bench::work_for_team(arguments);
  const Plan plan = read_plan(arguments);
  const std::optional<std::string> parent = arguments.text("--dir");
  const std::optional<std::string> only = arguments.text("--only");
  arguments.finish(kUsage);
  constexpr std::array<std::string_view, 6> kParts{"open",  "fights",  "fairness",
                                                   "kills", "writers", "sharing"};
  if (only && std::find(kParts.begin(), kParts.end(), *only) == kParts.end()) {
    throw std::invalid_argument("unknown part '" + *only + "'\n" + std::string(kUsage));
  }
  const auto wanted = [&](std::string_view part) { return !only || *only == part; };

  const bench::Scratch scratch(parent);
  if (wanted("open")) bench::measure_open(scratch.path());
  if (wanted("fights")) bench::measure_fights(scratch.path(), plan.fights);
  if (wanted("fairness")) bench::measure_fairness(scratch.path(), plan.fairness);
  if (wanted("kills")) bench::measure_kills(scratch.path(), plan.rounds);
  if (wanted("writers")) bench::measure_writers(scratch.path(), plan.writers);
  if (wanted("sharing")) bench::measure_sharing(scratch.path(), plan.sharing);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
