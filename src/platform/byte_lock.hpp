// SPDX-License-Identifier: Apache-2.0
//
// Locks on single bytes of a file that belong to an open file description: the kernel frees them when the
// last descriptor of it is gone, thus when the process is, however it ended. Probing works across pid
// namespaces.
#pragma once

#include <cstdint>

namespace dcache::platform {

enum class ByteState { free, locked, unknown };

/// Takes the write lock on one byte without waiting. Whether it worked; errno tells why not.
bool lock_byte(int fd, std::uint64_t offset) noexcept;

/// Whether another open file description holds a write lock on the byte. Asks with a read lock, so that those
/// who wait for the byte with read locks do not count.
ByteState probe_byte(int fd, std::uint64_t offset) noexcept;

/// Waits, with cancellation of the thread disabled, until no other description holds a write lock on the
/// byte; false if the system refuses. Only while it waits may pthread_cancel end the thread; that may leave a
/// read lock of this description behind, see `unlock_byte`.
bool wait_for_byte(int fd, std::uint64_t offset);

/// Drops what lock this open file description has on the byte.
void unlock_byte(int fd, std::uint64_t offset) noexcept;

}  // namespace dcache::platform
