// SPDX-License-Identifier: Apache-2.0
//
// The helper program that tests run as another process: it does one thing, said by its first argument, and
// talks in lines on its standard input and output.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dcache/error.hpp"

namespace dcache::test {

using Arguments = std::vector<std::string>;

/// Writes a line at once, unbuffered: what was told stays told when the process is killed.
void tell(std::string_view line);
/// The next line of the standard input; nothing at its end.
std::optional<std::string> hear();
/// "Timeout: text" and so on.
std::string describe(const Error& error);
/// The words of a line.
Arguments words(const std::string& line);

/// Tells what `run` says to the words of each line, or which error it threw, until there are no more lines.
void answer_lines(const std::function<std::string(const Arguments&)>& run);

/// Options::timeout in milliseconds, as --timeout= said.
extern std::optional<int> g_timeout_ms;
/// Options::shards, as --shards= said.
extern std::uint32_t g_shards;

// The modes; each returns the exit status.
int open_mode(
    const Arguments& arguments);  // DIR [never|parents|shared]: opens, sets, gets, tells the outcome
int fill_mode(const Arguments& arguments);       // DIR N: stores N values and ends
int read_mode(const Arguments& arguments);       // DIR: every call that only reads
int recipes_mode(const Arguments& arguments);    // DIR: does recipes, as it is told line by line
int shell_mode(const Arguments& arguments);      // DIR: does what it is told, line by line
int exclusive_mode(const Arguments& arguments);  // FILE: locks a database as a whole, with SQLite alone
int exhaust_mode(const Arguments& arguments);    // DIR: runs out of file descriptors
int blind_mode(const Arguments& arguments);      // DIR KEY: asks about a lock when no file can be opened
int count_mode(const Arguments& arguments);      // DIR KEY KIND FILE N: counts in a file under a lock
int statics_mode(const Arguments& arguments);    // DIR: ends while static objects hold locks
int fork_mode(const Arguments& arguments);       // WHAT DIR: forks, and says what works in the child
int load_mode(const Arguments& arguments);       // DIR ID OPERATIONS SEED: mixed work that checks itself
int lease_mode(const Arguments& arguments);  // DIR ARENA MS: takes a lease and writes guarded, over and over
int queue_mode(const Arguments& arguments);  // DIR QUEUE WHAT …: produces, consumes, works, holds
int session_mode(const Arguments& arguments);  // DIR NAME: takes a lock of its own, and a shared one once
int share_mode(
    const Arguments& arguments);  // DIR KEY readers|permits ARENA MEMBER SEED: shares it, checks it
int storm_mode(const Arguments&
                   arguments);  // DIR KEY KIND ARENA MEMBER THREADS TIMES HOLD SEED: wants a lock, checks it
int witnessed_mode(
    const Arguments& arguments);  // DIR LOG SEED MEMORY clears|goes: random calls, each noted in a file
int writer_mode(const Arguments& arguments);  // DIR SEED PREFIX: writes for ever, acknowledging each write

}  // namespace dcache::test
