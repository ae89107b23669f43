// SPDX-License-Identifier: Apache-2.0
//
// dcache beside raw SQLite, work by work: the same keys and values in the same order, in one process, in
// slices of some milliseconds that alternate between the two, so that whatever else the machine does hits
// both. A time is the median of the runs; the ratio is the median of the runs' own ratios.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "dcache/options.hpp"
#include "dcache/version.hpp"
#include "raw.hpp"
#include "rivals.hpp"
#include "support.hpp"
#include "table.hpp"

namespace {

using bench::fixed;
using bench::Rival;
using Chosen = std::span<const std::string_view>;

constexpr std::string_view kUsage =
    "usage: bench-pairs [--quick] [--json FILE] [--dir DIR] [--runs N] [--seconds S]\n"
    "                   [--value BYTES,...] [--entries N,...] [--work NAME] [--only raw|dcache]\n"
    "                   [--page-cache BYTES]\n"
    "  --quick    2,000 entries only and short runs: under 30 s\n"
    "  --seconds  length of one run of one work, both sides together\n"
    "  --work     only works whose name begins so\n"
    "  --only     only one side, for a profiler";

constexpr std::size_t kTransactionSets = 100;

constexpr std::size_t kFewestSlices = 4;

/// From this size on a slice has fewer operations.
constexpr std::size_t kLargeValue = 4096;

/// Whose keys a work is done on.
enum class On { present, absent, counters };

struct Work {
  std::string name;
  On on = On::present;
  std::size_t slice = 1000;  ///< operations between two looks at the clock
  bool sized = true;         ///< whether the size of the value matters
  std::function<void(Rival&, Chosen, bench::Values&)> run;
  /// Puts things back as they were; not measured.
  std::function<void(Rival&, Chosen, bench::Values&)> undo = {};
  std::size_t each = 1;  ///< keys that make one operation
};

std::vector<Work> works() {
  const auto undo_new = [](Rival& side, Chosen keys, bench::Values&) { side.erase_all(keys); };
  const auto undo_erase = [](Rival& side, Chosen keys, bench::Values& values) { side.set_all(keys, values); };
  const auto get = [](Rival& side, Chosen keys, bench::Values&) {
    for (const std::string_view key : keys) benchmark::DoNotOptimize(side.get(key));
  };
  const auto set = [](Rival& side, Chosen keys, bench::Values& values) {
    for (const std::string_view key : keys) side.set(key, values.next());
  };
  const auto erase = [](Rival& side, Chosen keys, bench::Values&) {
    for (const std::string_view key : keys) benchmark::DoNotOptimize(side.erase(key));
  };
  const auto add_erase = [](Rival& side, Chosen keys, bench::Values& values) {
    for (const std::string_view key : keys) {
      benchmark::DoNotOptimize(side.add(key, values.next()));
      benchmark::DoNotOptimize(side.erase(key));
    }
  };
  // What a cache is used for: much reading, some writing, which makes others' page caches stale.
  const auto mixed = [](Rival& side, Chosen keys, bench::Values& values) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i % 10 == 0) {
        side.set(keys[i], values.next());
      } else {
        benchmark::DoNotOptimize(side.get(keys[i]));
      }
    }
  };
  const auto set_all = [](Rival& side, Chosen keys, bench::Values& values) {
    for (std::size_t at = 0; at < keys.size(); at += kTransactionSets) {
      side.set_all(keys.subspan(at, kTransactionSets), values);
    }
  };
  const auto incr = [](Rival& side, Chosen keys, bench::Values&) {
    for (const std::string_view key : keys) benchmark::DoNotOptimize(side.incr(key));
  };
  const auto lock = [](Rival& side, Chosen keys, bench::Values&) {
    for (std::size_t i = 0; i < keys.size(); ++i) side.lock_pair();
  };
  const auto rlock = [](Rival& side, Chosen keys, bench::Values&) {
    for (std::size_t i = 0; i < keys.size(); ++i) side.rlock_pair();
  };
  return {
      {.name = "get", .slice = 4000, .run = get},
      {.name = "miss", .on = On::absent, .slice = 4000, .run = get},
      {.name = "set new", .on = On::absent, .run = set, .undo = undo_new},
      {.name = "set overwrite", .run = set},
      {.name = "erase", .run = erase, .undo = undo_erase},
      {.name = "add + erase", .on = On::absent, .slice = 500, .run = add_erase},
      {.name = "100 sets, 1 tx", .slice = 1000, .run = set_all, .each = kTransactionSets},
      {.name = "9 gets, 1 set", .slice = 2000, .run = mixed, .each = 10},
      {.name = "incr", .on = On::counters, .sized = false, .run = incr},
      {.name = "lock + unlock", .slice = 500, .sized = false, .run = lock},
      {.name = "rlock + unlock", .slice = 500, .sized = false, .run = rlock},
  };
}

struct Plan {
  std::vector<std::size_t> values{64, 128, 1024, 16384};
  std::vector<std::size_t> entries{2000, 50000};
  std::size_t runs = 5;
  double seconds = 0.4;
  std::uint64_t page_cache = dcache::Options().page_cache;
  std::string work;
  std::string only;
};

struct Times {
  std::vector<double> raw;
  std::vector<double> ours;
  std::vector<double> ratios;
};

/// Both sides with the same entries.
class Arena {
 public:
  Arena(const std::filesystem::path& directory, std::size_t entries, std::size_t value_size,
        std::uint64_t page_cache)
      : random_(entries),
        present_(bench::random_keys(entries, random_)),
        absent_(bench::random_keys(1000, random_)),
        counters_(bench::random_keys(100, random_)),
        values_(value_size),
        large_(value_size >= kLargeValue),
        raw_(bench::make_raw(directory)),
        ours_(bench::make_dcache(directory, page_cache)) {
    const std::vector<std::string_view> all(present_.begin(), present_.end());
    for (Rival* side : {raw_.get(), ours_.get()}) {
      for (std::size_t at = 0; at < all.size(); at += 1000) {
        side->set_all(Chosen(all).subspan(at, std::min<std::size_t>(1000, all.size() - at)), values_);
      }
    }
  }

  /// One run: slices of one side and of the other in turn until the time is over.
  void run(const Work& work, const Plan& plan, Times& times) {
    const std::size_t slice_size = work.sized && large_ ? work.slice / 5 : work.slice;
    double raw = 0;
    double ours = 0;
    std::size_t slices = 0;
    // An even number of slices, so that each side is as often the first.
    for (const bench::Stopwatch all;
         slices % 2 == 1 || slices < kFewestSlices || all.seconds() < plan.seconds; ++slices) {
      const std::vector<std::string_view> keys = bench::choose(keys_for(work.on), slice_size, random_);
      const bool raw_first = slices % 2 == 0;
      if (raw_first && plan.only != "dcache") raw += slice(work, *raw_, keys);
      if (plan.only != "raw") ours += slice(work, *ours_, keys);
      if (!raw_first && plan.only != "dcache") raw += slice(work, *raw_, keys);
    }
    const std::size_t operations = slices * slice_size / work.each;
    const auto count = static_cast<double>(operations);
    times.raw.push_back(raw / count);
    times.ours.push_back(ours / count);
    times.ratios.push_back(raw > 0 ? ours / raw : 0);
  }

 private:
  double slice(const Work& work, Rival& side, Chosen keys) {
    const bench::Stopwatch watch;
    work.run(side, keys, values_);
    const double time = watch.microseconds();
    if (work.undo) work.undo(side, keys, values_);
    return time;
  }

  const std::vector<std::string>& keys_for(On on) const {
    return on == On::present ? present_ : on == On::absent ? absent_ : counters_;
  }

  bench::Random random_;
  std::vector<std::string> present_;
  std::vector<std::string> absent_;
  std::vector<std::string> counters_;
  bench::Values values_;
  const bool large_;
  std::unique_ptr<Rival> raw_;
  std::unique_ptr<Rival> ours_;
};

nlohmann::json measure(const Plan& plan, const std::optional<std::string>& parent) {
  const bench::Table table({{"work", -15},
                            {"value", 6},
                            {"entries", 7},
                            {"raw us", 9},
                            {"dcache us", 9},
                            {"ratio", 6},
                            {"(of runs)", 12}});
  nlohmann::json rows = nlohmann::json::array();
  for (const std::size_t entries : plan.entries) {
    std::set<std::string> done;  // works for which one size is enough
    for (const std::size_t size : plan.values) {
      const bench::Scratch scratch(parent);
      Arena arena(scratch.path(), entries, size, plan.page_cache);
      for (const Work& work : works()) {
        if (!work.name.starts_with(plan.work) || (!work.sized && !done.insert(work.name).second)) continue;
        Times times;
        for (std::size_t i = 0; i < plan.runs; ++i) arena.run(work, plan, times);
        const double raw = bench::median(times.raw);
        const double ours = bench::median(times.ours);
        const double ratio = bench::median(times.ratios);
        const auto [least, most] = std::minmax_element(times.ratios.begin(), times.ratios.end());
        table.row({work.name, work.sized ? std::to_string(size) : "-", std::to_string(entries), fixed(raw, 2),
                   fixed(ours, 2), fixed(ratio, 2), fixed(*least, 2) + "-" + fixed(*most, 2)});
        nlohmann::json row{{"work", work.name},  {"entries", entries}, {"raw_us", raw},
                           {"dcache_us", ours},  {"ratio", ratio},     {"ratio_least", *least},
                           {"ratio_most", *most}};
        row["value"] = work.sized ? nlohmann::json(size) : nlohmann::json();
        rows.push_back(std::move(row));
      }
    }
    table.rule();
  }
  return rows;
}

int run(bench::Arguments& arguments) {
  Plan plan;
  if (arguments.flag("--quick")) {
    plan.entries = {2000};
    plan.seconds = 0.12;
  }
  plan.values = arguments.numbers("--value", plan.values);
  plan.entries = arguments.numbers("--entries", plan.entries);
  plan.runs = arguments.numbers("--runs", {plan.runs}).front();
  plan.seconds = arguments.number("--seconds", plan.seconds);
  plan.page_cache = arguments.numbers("--page-cache", {plan.page_cache}).front();
  plan.work = arguments.text("--work").value_or("");
  plan.only = arguments.text("--only").value_or("");
  const std::optional<std::string> directory = arguments.text("--dir");
  const std::optional<std::string> json = arguments.text("--json");
  arguments.finish(kUsage);

  std::printf("dcache %s beside SQLite %s; medians of %zu runs\n\n", DCACHE_VERSION, sqlite3_libversion(),
              plan.runs);
  nlohmann::json result{{"dcache", DCACHE_VERSION}, {"sqlite", sqlite3_libversion()}, {"runs", plan.runs}};
  result["rows"] = measure(plan, directory);
  if (json) {
    std::ofstream file(*json);
    file << result.dump(2) << '\n';
    if (!file) throw std::runtime_error("cannot write " + *json);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &run); }
