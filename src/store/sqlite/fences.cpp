// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite/fences.hpp"

#include <algorithm>
#include <charconv>

#include "dcache/error.hpp"
#include "platform/clock.hpp"
#include "platform/process.hpp"

namespace dcache::store::sqlite {

namespace {

constexpr std::int64_t kFenceSpace = 0;
constexpr std::string_view kFenceKey = "fence";

/// So many fences are reserved on the disk at a time: that many microseconds, 71 minutes.
constexpr std::uint64_t kReserve = std::uint64_t{1} << 32;

/// Fences are below this, so that every reader of JSON keeps them exactly. (The wall clock gets there in
/// 2255.)
constexpr std::uint64_t kEnd = std::uint64_t{1} << 53;

std::uint64_t microseconds_now() noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, platform::now().unix_nanoseconds() / 1000));
}

std::string print(const Fences& fences) {
  return fences.boot + " " + std::to_string(fences.last) + " " + std::to_string(fences.reserved);
}

Fences parse(std::string_view text, const std::string& path) {
  Fences fences;
  const std::size_t first = text.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : text.find(' ', first + 1);
  if (second != std::string_view::npos) {
    fences.boot = text.substr(0, first);
    const char* const end = text.data() + text.size();
    const auto last = std::from_chars(text.data() + first + 1, text.data() + second, fences.last);
    const auto reserved = std::from_chars(text.data() + second + 1, end, fences.reserved);
    if (last.ec == std::errc{} && last.ptr == text.data() + second && reserved.ec == std::errc{} &&
        reserved.ptr == end && fences.last <= fences.reserved && fences.reserved < kEnd) {
      return fences;
    }
  }
  throw Corrupt(
      "the fence counter in '" + escape(path) +
      "' is damaged, so no lock can be granted safely; stop all users and move the directory aside");
}

}  // namespace

std::optional<Fences> read_fences(Connection& connection) {
  Statement get = connection.use(Sql::record_get);
  if (!connection.step(get.bind(1, kFenceSpace).bind(2, kFenceKey), "read the fence counter"))
    return std::nullopt;
  return parse(get.bytes(0), connection.path());
}

void write_fences(Connection& connection, const Fences& fences) {
  const std::string text = print(fences);
  Statement put = connection.use(Sql::record_put);
  connection.run(put.bind(1, kFenceSpace).bind(2, kFenceKey).bind(3, text), "write the fence counter");
}

void forget_boot(Connection& connection) {
  std::optional<Fences> fences = read_fences(connection);
  if (!fences) return;
  fences->boot = "none";
  write_fences(connection, *fences);
}

std::optional<Fences> next_fence(Connection& connection) {
  std::optional<Fences> fences = read_fences(connection);
  if (!fences || fences->boot != platform::boot_id()) return std::nullopt;
  fences->last = std::max(fences->last + 1, microseconds_now());
  if (fences->last >= fences->reserved) return std::nullopt;
  return fences;
}

void reserve_more(Connection& connection) {
  const std::optional<Fences> old = read_fences(connection);
  Fences next{.boot = platform::boot_id(), .last = 0, .reserved = 0};
  if (old) next.last = old->boot == next.boot ? old->last : std::max(old->last, old->reserved);
  next.reserved = std::max(next.last, microseconds_now()) + kReserve;
  write_fences(connection, next);
}

}  // namespace dcache::store::sqlite
