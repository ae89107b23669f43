// SPDX-License-Identifier: Apache-2.0
//
// The main job in one screen, on real data and with real processes: tools/demo.sh builds and runs this.
//   demo PATH-OF-DCACHE CHECKOUT
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "dcache/dcache.hpp"
#include "run.hpp"

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

bool all_right = true;

void check(bool right, const std::string& what) {
  std::cout << "  " << (right ? "ok    " : "WRONG ") << what << '\n';
  all_right = all_right && right;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<std::string> tracked_files(const std::string& checkout) {
  std::vector<std::string> files;
  const std::string list =
      examples::capture({"git", "-c", "safe.directory=*", "-C", checkout, "ls-files", "-z"});
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find('\0', at), list.size());
    files.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return files;
}

/// What a build tool would cache: the results of two commands on a file.
std::string facts_of(const std::string& path) {
  return examples::capture({"sha256sum", path}) + examples::capture({"wc", "-l", path});
}

std::string tag_of(const std::string& file) {
  const std::string extension = fs::path(file).extension().string();
  return extension.empty() ? "(none)" : extension;
}

struct Pass {
  std::uint64_t computed = 0;
  std::string all;
};

Pass run_pass(dcache::Cache& cache, const std::string& checkout, const std::vector<std::string>& files) {
  Pass pass;
  for (const std::string& file : files) {
    const std::string key = "facts:" + file;
    std::optional<std::string> facts = cache.get(key);
    if (!facts) {
      facts = facts_of((fs::path(checkout) / file).string());
      cache.set(key, *facts, {.expire = 1h, .tags = tag_of(file)});
      ++pass.computed;
    }
    pass.all += *facts;
  }
  return pass;
}

void show_values(dcache::Cache& cache, const std::string& checkout) {
  const std::vector<std::string> files = tracked_files(checkout);
  std::cout << "Values: sha256sum and wc -l of the " << files.size()
            << " tracked files, kept for 1 h, tagged by type\n";
  Clock::time_point start = Clock::now();
  const Pass first = run_pass(cache, checkout, files);
  const double first_time = seconds_since(start);
  start = Clock::now();
  const Pass second = run_pass(cache, checkout, files);
  const double second_time = seconds_since(start);
  std::printf("  first pass  %7.1f ms, %llu computed\n  second pass %7.1f ms, %llu computed\n",
              first_time * 1e3, static_cast<unsigned long long>(first.computed), second_time * 1e3,
              static_cast<unsigned long long>(second.computed));
  std::fflush(stdout);
  check(!files.empty() && first.computed == files.size() && second.computed == 0 && first.all == second.all,
        "the second pass had everything, byte for byte, from the cache");

  std::uint64_t tagged = 0;
  for (const std::string& file : files) tagged += tag_of(file) == ".cpp" ? 1 : 0;
  const std::uint64_t evicted = cache.evict(".cpp");
  check(evicted == tagged && cache.size() == files.size() - tagged,
        "evicting the tag .cpp removed " + std::to_string(evicted) + " values and no other");
}

void show_exclusion(const std::string& dcache, const std::string& directory) {
  std::cout << "A lock: four processes add 1 to a number in a plain file, 250 times each, under `dcache lock "
               "run`\n";
  const std::string file = directory + ".number";
  std::ofstream(file) << 0 << '\n';
  const std::string loop =
      "i=0; while [ $i -lt 250 ]; do i=$((i+1)); "
      "\"$0\" --dir \"$1\" lock run number -- "
      "sh -c 'n=$(cat \"$0\"); echo $((n+1)) > \"$0\"' \"$2\" || exit 1; done";
  const Clock::time_point start = Clock::now();
  std::vector<pid_t> workers;
  for (int i = 0; i < 4; ++i) workers.push_back(examples::start({"sh", "-c", loop, dcache, directory, file}));
  bool worked = true;
  for (const pid_t worker : workers) worked = examples::wait_for(worker) == 0 && worked;
  std::printf("  %.1f s for 1000 commands\n", seconds_since(start));
  std::fflush(stdout);
  int number = 0;
  std::ifstream(file) >> number;
  fs::remove(file);
  check(worked && number == 1000, "the number is " + std::to_string(number) + ", and must be 1000");
}

void show_killed_holder(dcache::Cache& cache, const std::string& dcache, const std::string& directory) {
  std::cout << "A holder that is killed with SIGKILL\n";
  const pid_t holder = examples::start(
      {dcache, "--dir", directory, "lock", "run", "--label", "nightly job", "job", "--", "sleep", "60"});
  dcache::SyncLock lock{cache, "job", {.timeout = 20s}};
  for (int i = 0; i < 500 && !lock.locked(); ++i) std::this_thread::sleep_for(10ms);

  std::cout << "  $ dcache locks\n" << std::flush;
  const bool listed = examples::wait_for(examples::start({dcache, "--dir", directory, "locks"})) == 0;
  const std::vector<dcache::LockInfo> held = dcache::locks(cache);
  check(listed && held.size() == 1 && held.front().holders.front().state == dcache::Liveness::alive &&
            !lock.try_lock(),
        "`dcache locks` shows the holder, and nobody else gets the lock");

  bool got = false;
  Clock::time_point got_at;
  std::thread waiter([&] {
    got = lock.try_lock_for(20s);
    got_at = Clock::now();
  });
  std::this_thread::sleep_for(200ms);
  const Clock::time_point killed_at = Clock::now();
  ::kill(-holder, SIGKILL);
  waiter.join();
  examples::wait_for(holder);
  std::printf("  the waiter had the lock %.1f ms after the kill\n",
              std::chrono::duration<double, std::milli>(got_at - killed_at).count());
  std::fflush(stdout);
  check(got && lock.owned() && lock.previous_owner_died(),
        "the next one got it, and was told that the last one died");
  lock.unlock();
  check(!lock.locked() && dcache::locks(cache).empty(), "released: no lock is left");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: demo PATH-OF-DCACHE CHECKOUT\n";
    return 64;
  }
  const std::string directory =
      (fs::temp_directory_path() / ("dcache-demo-" + std::to_string(::getpid()))).string();
  try {
    {
      dcache::Cache cache{directory};
      show_values(cache, argv[2]);
      show_exclusion(argv[1], directory);
      show_killed_holder(cache, argv[1], directory);
    }
    fs::remove_all(directory);
  } catch (const std::exception& failed) {
    std::cerr << "demo: " << failed.what() << " (cache kept in " << directory << ")\n";
    return 1;
  }
  std::cout << (all_right ? "All results are right.\n" : "Some results are WRONG.\n");
  return all_right ? 0 : 1;
}
