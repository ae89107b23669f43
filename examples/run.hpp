// SPDX-License-Identifier: Apache-2.0
//
// Running other programs, for the examples.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace examples {

/// Starts a program, found by PATH, in a process group of its own. Throws std::system_error.
pid_t start(const std::vector<std::string>& command, int output = 1);

/// Waits for it: its exit status, or 128 + the signal that ended it.
int wait_for(pid_t process);

/// Runs a program and returns what it printed. Throws if it failed.
std::string capture(const std::vector<std::string>& command);

}  // namespace examples
