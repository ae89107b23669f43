// SPDX-License-Identifier: Apache-2.0
//
// The servers that some peers need: of one directory each, reached by a Unix socket in it alone.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "compare/peer.hpp"
#include "compare/process.hpp"

namespace bench::compare {

[[nodiscard]] std::string socket_in(const std::filesystem::path& directory);

/// Starts it and waits until it answers. None if the peer needs none. Throws if it does not come up.
[[nodiscard]] std::unique_ptr<Process> start_server(Server server, const std::filesystem::path& directory);

}  // namespace bench::compare
