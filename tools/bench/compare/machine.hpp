// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace bench::compare {

/// What the figures were taken on: processor, memory, file system, system. No names of hosts, users or paths.
[[nodiscard]] nlohmann::json describe_machine(const std::filesystem::path& directory);

/// How many processes want to run, averaged over a minute.
[[nodiscard]] double load();

/// Gibibytes of memory that are free or can be freed at once.
[[nodiscard]] double free_memory_gib();

}  // namespace bench::compare
