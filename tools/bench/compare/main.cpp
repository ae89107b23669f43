// SPDX-License-Identifier: Apache-2.0
//
// dcache beside other stores and locks. Every peer works in processes of its own, which this program starts
// and tells what to do, one after the other: each work of a run is done by all peers in turn before the next.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "compare/machine.hpp"
#include "compare/results.hpp"
#include "compare/serve.hpp"
#include "compare/side.hpp"
#include "support.hpp"

namespace bench::compare {

namespace {

constexpr std::string_view kUsage =
    "usage: bench-compare [--plan quick|full|tiny] [--peers ID,...] [--only STAGE] [--dir DIR] [--json "
    "FILE]\n"
    "                     [--entries N,...] [--diskcache SCRIPT]\n"
    "  --plan       quick: up to 5 minutes; full: up to 60; tiny: seconds, which says nothing\n"
    "  --peers      dcache, dcache-0, sqlite, lmdb, leveldb, rocksdb, redis, memcached, diskcache, flock "
    "(all)\n"
    "  --only       one stage: locks, processes, sizes or entries\n"
    "  --entries    of each store, in place of the plan's\n"
    "  --dir        where the stores are made (the system's directory for temporary files)\n"
    "  --json       where the results go (standard output)\n"
    "  --diskcache  the program that measures python-diskcache; without, it is left out";

/// What 10 million entries take of all peers together.
constexpr std::size_t kLargeStore = 1'000'000;
constexpr double kGibPerMillion = 1.5;

std::vector<std::string> words_in(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::string text(16, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d", std::gmtime(&now)));
  return text;
}

/// One line for each member, and for each element of those that are lists: small, and yet with useful
/// differences.
std::string text_of(const nlohmann::json& object) {
  std::string text = "{";
  for (const auto& [name, value] : object.items()) {
    text += (text.size() > 1 ? ",\n \"" : "\n \"") + name + "\": ";
    if (!value.is_array() || value.empty()) {
      text += value.dump();
      continue;
    }
    std::string elements;
    for (const nlohmann::json& element : value) {
      elements += (elements.empty() ? "\n  " : ",\n  ") + element.dump();
    }
    text += "[" + elements + "]";
  }
  return text + "\n}\n";
}

class Comparison {
 public:
  Comparison(Plan plan, std::vector<Kind> kinds, std::string diskcache_script,
             std::filesystem::path directory)
      : plan_(std::move(plan)),
        kinds_(std::move(kinds)),
        diskcache_script_(std::move(diskcache_script)),
        directory_(std::move(directory)) {
    for (Kind& kind : kinds_) probe(kind);
  }

  void run() {
    for (const Stage& stage : plan_.stages) {
      if (const std::string why = why_not(stage); !why.empty()) {
        note(stage.name + ", " + std::to_string(stage.entries) + " entries: not measured, " + why);
      } else {
        run(stage);
      }
    }
  }

  [[nodiscard]] nlohmann::json to_json() const {
    nlohmann::json peers = nlohmann::json::array();
    std::string base;
    for (const Kind& kind : kinds_) {
      const auto version = versions_.find(kind.id);
      nlohmann::json peer{{"id", kind.id}, {"title", kind.title}};
      if (version == versions_.end()) {
        peer["missing"] = kind.missing;
      } else {
        if (base.empty()) base = kind.id;
        peer["version"] = version->second;
        peer["settings"] = kind.settings;
      }
      peers.push_back(std::move(peer));
    }
    return {{"format", 1},
            {"plan", plan_.name},
            {"runs", plan_.stages.front().runs},
            {"date", today()},
            {"minutes", rounded(watch_.seconds() / 60)},
            {"load_before", load_before_},
            {"machine", describe_machine(directory_)},
            {"base", base},
            {"peers", std::move(peers)},
            {"notes", notes_},
            {"results", results_.to_json(base)}};
  }
  [[nodiscard]] bool failed() const noexcept { return results_.failed(); }

 private:
  using Sides = std::vector<std::unique_ptr<Side>>;

  /// Whether it can be measured at all.
  void probe(Kind& kind) {
    if (kind.missing.empty() && !kind.open && diskcache_script_.empty()) kind.missing = "left out";
    if (kind.missing.empty()) {
      try {
        versions_[kind.id] = Side(kind, diskcache_script_, directory_ / "probe").version();
      } catch (const std::exception& error) {
        kind.missing = error.what();
      }
      std::filesystem::remove_all(directory_ / "probe");
    }
    if (!kind.missing.empty())
      std::fprintf(stderr, "%s: not measured: %s\n", kind.title.c_str(), kind.missing.c_str());
  }

  std::string why_not(const Stage& stage) const {
    double needed = measure_seconds_;
    for (const auto& [id, seconds] : fill_seconds_) {
      // A larger store takes longer for each entry, too.
      const double factor = static_cast<double>(stage.entries) / static_cast<double>(filled_entries_);
      if (stage.entries > filled_entries_ && stage.entries <= kind_of(id).most_entries)
        needed += seconds * factor * 1.3;
    }
    if (watch_.seconds() + needed > plan_.minutes * 60) return "it would take too long";
    if (stage.entries > kLargeStore) {
      const double gib = kGibPerMillion * static_cast<double>(stage.entries) / 1e6;
      if (static_cast<double>(std::filesystem::space(directory_).available) / (1U << 30U) < 2 * gib) {
        return "too little room on the disk";
      }
      if (free_memory_gib() < gib) return "too little memory";
    }
    return {};
  }

  void note(std::string text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    notes_.push_back(std::move(text));
  }

  void run(const Stage& stage) {
    const std::filesystem::path directory = directory_ / "stage";
    filled_entries_ = stage.entries;
    fill_seconds_.clear();
    {
      Sides sides = open(stage, directory);
      const Stopwatch measuring;
      for (std::size_t run = 0; run < stage.runs; ++run) {
        for (const Step& step : stage.steps) {
          std::fprintf(stderr, "%4.0f s  %s, %zu entries, %zu bytes, run %zu of %zu: %s\n", watch_.seconds(),
                       stage.name.c_str(), stage.entries, stage.value, run + 1, stage.runs,
                       step.job.work.c_str());
          // Not always in the same order: nobody has always the same neighbour.
          std::rotate(sides.begin(), sides.begin() + (sides.empty() ? 0 : 1), sides.end());
          for (const auto& side : sides) {
            if (can(side->kind(), stage, step)) this->run(stage, step, run, *side);
          }
        }
      }
      measure_seconds_ = stage.name == "entries" ? measuring.seconds() : 0;
    }
    std::filesystem::remove_all(directory);
  }

  Sides open(const Stage& stage, const std::filesystem::path& directory) {
    Sides sides;
    for (const Kind& kind : kinds_) {
      const auto wanted = std::find_if(stage.steps.begin(), stage.steps.end(),
                                       [&](const Step& step) { return can(kind, stage, step); });
      if (!versions_.contains(kind.id) || wanted == stage.steps.end()) continue;
      try {
        auto side = std::make_unique<Side>(kind, diskcache_script_, directory);
        const Stopwatch filling;
        side->prepare(stage);
        if (stage.name == "entries") fill_seconds_[kind.id] = filling.seconds();
        std::fprintf(stderr, "%4.0f s  %zu entries, %zu bytes: %s is ready after %.1f s\n", watch_.seconds(),
                     stage.entries, stage.value, kind.title.c_str(), filling.seconds());
        sides.push_back(std::move(side));
      } catch (const std::exception& error) {
        fail(stage, *wanted, kind, error.what());
      }
    }
    return sides;
  }

  void run(const Stage& stage, const Step& step, std::size_t run, Side& side) {
    try {
      for (const Series& series : side.run(step, run + 1))
        results_.add(stage, step, run, side.kind().id, series);
    } catch (const std::exception& error) {
      fail(stage, step, side.kind(), error.what());
    }
  }

  void fail(const Stage& stage, const Step& step, const Kind& kind, const std::string& why) {
    std::fprintf(stderr, "%s failed at %s: %s\n", kind.title.c_str(), step.job.work.c_str(), why.c_str());
    results_.fail(stage, step, kind.id, why);
  }

  const Plan plan_;
  std::vector<Kind> kinds_;
  const std::string diskcache_script_;
  const std::filesystem::path directory_;
  const Stopwatch watch_;
  const double load_before_ = load();
  std::map<std::string, std::string> versions_;
  std::vector<std::string> notes_;
  Results results_;
  std::size_t filled_entries_ = 0;              ///< of the stores that were filled last
  std::map<std::string, double> fill_seconds_;  ///< what each of them took, in stage "entries"
  double measure_seconds_ = 0;                  ///< what measuring them took
};

int run(Arguments& arguments) {
  const std::optional<std::string> parent = arguments.text("--dir");
  if (const auto id = arguments.text("--serve")) return serve(*id, parent.value());
  const std::string plan_name = arguments.text("--plan").value_or("quick");
  Plan plan = plan_of(plan_name, arguments.numbers("--entries", {}));
  const std::optional<std::string> peers = arguments.text("--peers");
  const std::optional<std::string> only = arguments.text("--only");
  const std::optional<std::string> file = arguments.text("--json");
  const std::string script = arguments.text("--diskcache").value_or("");
  arguments.finish(kUsage);

  std::vector<Kind> chosen;
  if (peers) {
    for (const std::string& id : words_in(*peers)) chosen.push_back(kind_of(id));
  } else {
    chosen = kinds();
  }
  if (only) {
    std::erase_if(plan.stages, [&](const Stage& stage) { return stage.name != *only; });
    if (plan.stages.empty())
      throw std::invalid_argument("unknown stage '" + *only + "'\n" + std::string(kUsage));
  }
  // A process that is gone is told of by its pipe.
  std::signal(SIGPIPE, SIG_IGN);
  const Scratch scratch(parent);
  Comparison comparison(std::move(plan), std::move(chosen), script, scratch.path());
  comparison.run();
  const std::string text = text_of(comparison.to_json());
  if (file) {
    std::ofstream out(*file);
    if (!(out << text).flush()) throw std::runtime_error("cannot write " + *file);
  } else {
    std::cout << text;
  }
  return comparison.failed() ? 1 : 0;
}

}  // namespace

}  // namespace bench::compare

int main(int argc, char** argv) { return bench::guarded_main(argc, argv, &bench::compare::run); }
