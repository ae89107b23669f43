// SPDX-License-Identifier: Apache-2.0
//
// Who this process is, and whether another one that was written down somewhere still exists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace dcache::platform {

std::int64_t pid() noexcept;

/// The kernel's number of the calling thread. For people: it is reused, and repeats across namespaces.
std::int64_t tid() noexcept;

/// A number for the calling thread that no other thread of this process ever has. It is even.
std::uint64_t thread_agent() noexcept;

/// A number from the same sequence, for something that is not a thread. It is odd, and never 1.
std::uint64_t new_agent() noexcept;

[[nodiscard]] constexpr bool is_thread(std::uint64_t agent) noexcept { return agent % 2 == 0; }

/// 32 hexadecimal digits that change at every boot; empty where the system has none. Throws IoError if they
/// cannot be read for want of descriptors.
const std::string& boot_id();

/// Identifies the pid namespace of this process; 0 where it cannot be told.
std::uint64_t pid_namespace() noexcept;

/// When a process started, in clock ticks since boot: tells apart two users of one pid. Empty if it is gone.
std::optional<std::uint64_t> start_time(std::int64_t pid);

/// Whether the kernel says that there is no process of that number. When it does not tell, there may be.
bool is_gone(std::int64_t pid) noexcept;

/// The short name of a process's command, unescaped; empty if it is gone.
std::string command_name(std::int64_t pid);

/// Fills with bytes from the system's random source. Throws IoError.
void random_bytes(std::span<std::byte> out);

/// 16 random bytes as 32 hexadecimal digits: a name that nothing else has.
std::string random_id();

/// Whether this process may open another file.
bool descriptors_left() noexcept;

/// Whether this process may make files of some size only.
bool file_size_is_limited() noexcept;

/// The numeric id of the effective user.
std::uint32_t effective_user() noexcept;

}  // namespace dcache::platform
