// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace dcache::cli {

/// Runs `command` (looked up in PATH) with our stdin, stdout and stderr, waits for it, and returns its exit
/// status as a shell tells it: 128 + N if signal N ended it; 126 or 127, after a message, if it cannot be
/// run.
///
/// Until it ends TERM, HUP, USR1 and USR2 are passed on to it; INT and QUIT, which a terminal sends to both
/// of us, are left to it, from then on also by us, so that our caller can end in its own time. Call it once,
/// while the process has one thread.
[[nodiscard]] int run_child(const std::vector<std::string>& command);

}  // namespace dcache::cli
