// SPDX-License-Identifier: Apache-2.0
#include "cache/limits.hpp"

#include <algorithm>
#include <limits>

#include "dcache/bytes.hpp"
#include "dcache/cache.hpp"
#include "dcache/error.hpp"
#include "platform/clock.hpp"

namespace dcache {

namespace {

constexpr std::size_t kShownBytes = 60;

}  // namespace

void check_key(std::string_view key) {
  if (key.size() <= kMaxKeyBytes) return;
  throw InvalidArgument("the key '" + escape(key, kShownBytes) +
                        "' is too long: " + std::to_string(key.size()) + " bytes, at most " +
                        std::to_string(kMaxKeyBytes) + "; use a hash of it");
}

void check_value_size(std::string_view key, std::uint64_t size) {
  if (size <= kMaxValueBytes) return;
  throw InvalidArgument("the value for key '" + escape(key, kShownBytes) + "' is too large: " +
                        std::to_string(size) + " bytes, at most " + std::to_string(kMaxValueBytes));
}

std::vector<std::string> checked_tags(const Tags& tags) {
  std::vector<std::string> names = tags.names();
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() > kMaxTags) {
    throw InvalidArgument("too many tags: " + std::to_string(names.size()) + ", at most " +
                          std::to_string(kMaxTags));
  }
  for (const std::string& name : names) {
    if (name.empty()) throw InvalidArgument("a tag cannot be empty; leave it out");
    if (name.size() > kMaxTagBytes) {
      throw InvalidArgument("the tag '" + escape(name, kShownBytes) + "' is too long: " +
                            std::to_string(name.size()) + " bytes, at most " + std::to_string(kMaxTagBytes));
    }
  }
  return names;
}

std::optional<Timestamp> expiry(Duration duration) {
  if (duration.is_forever()) return std::nullopt;
  const std::int64_t now = platform::now().unix_nanoseconds();
  const std::int64_t life = duration.nanoseconds().count();
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  // Beyond what a timestamp can say is for ever.
  if (life > 0 && now > kLast - life) return std::nullopt;
  if (life <= 0) return Timestamp::from_unix_nanoseconds(now);
  return Timestamp::from_unix_nanoseconds(now + life);
}

std::optional<Timestamp> expiry(const SetOptions& options) {
  if (options.expire && options.expire_at) {
    throw InvalidArgument("expire and expire_at exclude each other; give one of them");
  }
  if (options.expire_at) {
    if (options.expire_at->unix_nanoseconds() == std::numeric_limits<std::int64_t>::max())
      return std::nullopt;
    return options.expire_at;
  }
  return options.expire ? expiry(*options.expire) : std::nullopt;
}

}  // namespace dcache
