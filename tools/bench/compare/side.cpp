// SPDX-License-Identifier: Apache-2.0
#include "compare/side.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "compare/server.hpp"
#include "support.hpp"

namespace bench::compare {

namespace {

/// Beyond what a work is given itself.
constexpr double kAnswerSeconds = 90;
constexpr double kFillSeconds = 1800;
/// In which several processes get ready to begin together.
constexpr std::uint64_t kHeadStartNs = 50'000'000;

std::filesystem::path made(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  return directory;
}

nlohmann::json answer_of(Process& process, double seconds) {
  const std::optional<std::string> line = process.line(seconds);
  if (!line) throw std::runtime_error("ended or hung without an answer");
  nlohmann::json answer = nlohmann::json::parse(*line);
  if (answer.contains("error")) throw std::runtime_error(answer.at("error").get<std::string>());
  return answer;
}

std::vector<Series> series_from(Process& process, double seconds) {
  const nlohmann::json answer = answer_of(process, seconds);
  std::vector<Series> all;
  for (const nlohmann::json& series : answer.at("series")) all.push_back(series_of(series));
  return all;
}

/// The file that grants are counted in.
void make_count(const std::filesystem::path& path) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write("\0\0\0\0\0\0\0\0", sizeof(std::uint64_t));
}

std::uint64_t read_count(const std::filesystem::path& path) {
  std::uint64_t count = 0;
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&count), sizeof(count));
  return count;
}

}  // namespace

std::vector<std::string> command_of(const Kind& kind, const std::string& diskcache_script,
                                    const std::filesystem::path& directory) {
  if (kind.open) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    return {self, "--serve", kind.id, "--dir", directory.native()};
  }
  // Debian's own Python, which Debian's packages are for.
  return {"/usr/bin/python3", diskcache_script, directory.native()};
}

Side::Side(const Kind& kind, const std::string& diskcache_script, const std::filesystem::path& parent)
    : kind_(kind),
      directory_(made(parent / kind.id)),
      command_(command_of(kind, diskcache_script, directory_)),
      server_(start_server(kind.server, directory_)),
      process_(start()) {}

std::unique_ptr<Process> Side::start() {
  auto process = std::make_unique<Process>(command_);
  answer_of(*process, kAnswerSeconds).at("version").get_to(version_);
  return process;
}

void Side::prepare(const Stage& stage) {
  if (stage.entries == 0) return;
  process_->say(to_line(Job{.work = "prepare", .entries = stage.entries, .value = stage.value}).dump());
  series_from(*process_, kFillSeconds);
}

std::vector<Series> Side::run(const Step& step, std::uint64_t seed) {
  try {
    if (process_ && step.fresh) {
      process_->end();
      process_.reset();
    }
    if (!process_) process_ = start();
    return run_all(step, seed);
  } catch (const std::exception&) {
    process_.reset();
    throw;
  }
}

std::vector<Series> Side::run_all(const Step& step, std::uint64_t seed) {
  std::vector<std::unique_ptr<Process>> others;
  std::vector<Process*> all{process_.get()};
  while (all.size() < step.processes) all.push_back(others.emplace_back(start()).get());

  Job job = step.job;
  const bool counted = job.work == "locks";
  if (counted) {
    job.guarded = directory_ / "guarded";
    make_count(job.guarded);
  }
  job.begin_ns = now_ns() + kHeadStartNs;
  for (std::size_t i = 0; i < all.size(); ++i) {
    job.seed = seed * 1000 + i;
    all[i]->say(to_line(job).dump());
  }
  std::vector<Series> merged;
  for (Process* process : all) {
    std::vector<Series> answer = series_from(*process, job.seconds + kAnswerSeconds);
    if (merged.empty()) {
      merged = std::move(answer);
    } else {
      for (std::size_t i = 0; i < merged.size(); ++i) merged[i].merge(answer.at(i));
    }
  }
  for (const auto& other : others) other->end();
  if (counted && read_count(job.guarded) != merged.at(0).guarded) {
    throw std::runtime_error("two had the lock at once");
  }
  return merged;
}

}  // namespace bench::compare
