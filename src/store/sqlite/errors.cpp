// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/errors.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <new>
#include <random>
#include <thread>

#include "dcache/bytes.hpp"
#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "platform/process.hpp"

namespace dcache::store::sqlite {

bool is_busy(int code) noexcept {
  const int primary = code & 0xFF;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_PROTOCOL;
}

void throw_code(int code, sqlite3* handle, const std::string& path, const std::string& doing) {
  const int primary = code & 0xFF;
  const char* reason = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  std::string text = "cannot " + doing + " in '" + escape(path) + "': " + reason;
  const int system = handle != nullptr ? sqlite3_system_errno(handle) : 0;
  if (is_busy(code)) throw Timeout(text + "; other writers did not let go within the time allowed");
  switch (primary) {
    case SQLITE_FULL:
      throw Full(text +
                 "; nothing was stored and older values are intact: free space, or delete or evict values");
    case SQLITE_READONLY:
      throw ReadOnly(text +
                     "; check the modes of the directory and its files, and that the medium is writable");
    case SQLITE_CORRUPT:
      throw Corrupt(text + "; the database is damaged: stop all users and move the directory aside");
    case SQLITE_NOTADB:
      throw Corrupt(text +
                    "; the file is not a database any more: stop all users and move the directory aside");
    case SQLITE_NOMEM:
      throw std::bad_alloc();
    case SQLITE_TOOBIG:
      throw InvalidArgument(text);
    case SQLITE_CANTOPEN:
      if (system == EMFILE || system == ENFILE || !platform::descriptors_left()) {
        throw IoError(text + ": too many open files; raise the limit or close some");
      }
      throw IoError(text);
    case SQLITE_IOERR:
      if (system == EFBIG || (code == SQLITE_IOERR_WRITE && platform::file_size_is_limited())) {
        throw Full(text + ": the limit of file size (ulimit -f) is reached; older values are intact");
      }
      if (system == ENOSPC || system == EDQUOT) throw Full(text + ": no space left; older values are intact");
      if (code == SQLITE_IOERR_SHORT_READ) {
        throw Corrupt(text +
                      ": the database or its log was cut or removed while others had it open; stop all users "
                      "of it, then open it again");
      }
      throw IoError(text + " (code " + std::to_string(code) + ")");
    default:
      throw IoError(text + " (code " + std::to_string(code) + ")");
  }
}

void throw_out_of_order(const std::string& path) {
  throw Corrupt("rows in '" + escape(path) +
                "' are out of order; the database is damaged: stop all users and move the directory aside");
}

bool Retry::pause() noexcept {
  using namespace std::chrono;
  if (deadline_ != kNoDeadline && steady_clock::now() >= deadline_) return false;
  ++tries_;
  if (tries_ <= 2) {
    std::this_thread::yield();
    return true;
  }
  thread_local std::minstd_rand random(std::random_device{}());
  const int ceiling = 20 * std::min(10, tries_);
  auto nap = microseconds(ceiling / 2 + std::uniform_int_distribution<int>(0, ceiling / 2)(random));
  if (deadline_ != kNoDeadline) nap = std::min(nap, ceil<microseconds>(deadline_ - steady_clock::now()));
  platform::sleep_for(nap);
  return true;
}

}  // namespace dcache::store::sqlite
