// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dcache/duration.hpp"

namespace dcache::cli {

/// A command to run with our stdin, stdout and stderr, where it gets no others.
struct Child {
  std::vector<std::string> command;  ///< looked up in PATH
  int input = -1;                    ///< its stdin, stdout and stderr; -1 = ours
  int output = -1;
  int error = -1;
  int inherited = -1;  ///< a descriptor that the child gets besides, under the same number
  /// Asked four times a second whether it may go on. If not the child gets TERM, and after `grace` KILL.
  std::function<bool()> may_run = {};
  Duration grace = forever;
};

/// What became of it.
struct Ended {
  int status = 0;           ///< as a shell tells it: 128 + N if signal N ended it
  bool broken_off = false;  ///< it was not to go on
  bool complete = false;    ///< it ran, and ended by itself
};

/// Runs it and waits for its end. Status 126 or 127, after a message, if it cannot be run.
///
/// Until it ends TERM, HUP, USR1 and USR2 are passed on to it; INT and QUIT, which a terminal sends to both
/// of us, are left to it, from then on also by us, so that our caller can end in its own time. Call it once.
[[nodiscard]] Ended run_child(const Child& child);

/// Becomes the command, which keeps `child.inherited` open. Returns only if it cannot be run: 126 or 127,
/// after a message.
[[nodiscard]] int become(const Child& child);

}  // namespace dcache::cli
