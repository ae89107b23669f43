// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "contention.hpp"
#include "support.hpp"
#include "table.hpp"
#include "team.hpp"
#include "workload.hpp"

namespace bench {

namespace {

/// Milliseconds from just before kill(2) to the return of the waiter's `lock()`.
double kill_one(const std::filesystem::path& directory, Kind kind, std::chrono::milliseconds waited) {
  const Arena arena(directory);
  Worker holder(directory, *arena, {.role = Role::hold, .kind = kind}, 1);
  Worker waiter(directory, *arena, {.role = Role::wait, .kind = kind}, 2);
  std::this_thread::sleep_for(waited);
  const bool early = arena->granted_ns != 0;
  const std::uint64_t killed = holder.kill();
  waiter.join();
  if (early || killed == 0) {
    throw std::runtime_error(std::string(name_of(kind)) + ": the holder did not hold the lock");
  }
  return static_cast<double>(arena->granted_ns - killed) / 1e6;
}

}  // namespace

void measure_kills(const std::filesystem::path& directory, std::size_t rounds) {
  constexpr std::array kKinds{Kind::flock, Kind::mutex, Kind::dcache};
  std::printf("\nHolder killed (SIGKILL) until a waiting process holds, %zu rounds of new processes\n\n",
              rounds);
  const Table table({{"lock", -13}, {"p50 ms", 8}, {"p99 ms", 8}, {"longest ms", 10}});
  Random random(1);
  std::uniform_int_distribution<int> wait_ms(5, 60);
  std::map<Kind, std::vector<double>> times;
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const Kind kind : kKinds) {
      times[kind].push_back(kill_one(directory, kind, std::chrono::milliseconds(wait_ms(random))));
    }
  }
  for (auto& [kind, all] : times) {
    std::sort(all.begin(), all.end());
    const std::size_t p99 = (all.size() * 99 + 99) / 100 - 1;  // 99 of 100 are not longer
    table.row({name_of(kind), fixed(median(all), 3), fixed(all.at(p99), 3), fixed(all.back(), 3)});
  }
}

}  // namespace bench
