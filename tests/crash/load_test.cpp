// SPDX-License-Identifier: Apache-2.0
//
// Many processes at work in one cache lose nothing.
#include <memory>

#include "support/check.hpp"
#include "support/database.hpp"
#include "support/worker.hpp"

TEST_SUITE_BEGIN("process");

TEST_CASE_FIXTURE(OneCache, "eight processes with ten thousand operations each lose nothing") {
  const std::uint64_t seed = new_seed();
  const int operations = rounds(10'000);
  CAPTURE(seed);
  CAPTURE(operations);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 8; ++i) {
    workers.push_back(std::make_unique<Worker>(
        std::vector<std::string>{"load", path(), std::to_string(i), std::to_string(operations),
                                 std::to_string(seed * 8 + static_cast<unsigned>(i))}));
  }
  for (const auto& worker : workers) REQUIRE(worker->line() == "ready");
  for (const auto& worker : workers) worker->say("go");
  std::int64_t increments = 0;
  std::int64_t claims = 0;
  for (const auto& worker : workers) {
    for (const std::string& line : worker->rest()) {
      if (line.starts_with("incremented ")) {
        increments += std::stoll(line.substr(12));
      } else if (line.starts_with("claimed ")) {
        claims += std::stoll(line.substr(8));
      } else {
        FAIL_CHECK(line);
      }
    }
    CHECK(worker->wait() == 0);
  }
  CHECK(increments > 0);
  CHECK(cache.get("total") == std::to_string(increments));
  // Each claim was won once: there are as many winners as claims.
  std::int64_t found = 0;
  for (const Entry& entry : cache.entries({.prefix = "claim"})) found += entry.size == 1 ? 1 : 0;
  CHECK(found == claims);
  CHECK(integrity(dir / "cache") == "ok");
}

TEST_SUITE_END();
