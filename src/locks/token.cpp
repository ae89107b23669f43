// SPDX-License-Identifier: Apache-2.0
#include "locks/token.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace dcache::locking {

std::string token_of(std::string_view session, std::uint64_t fence) {
  std::array<char, 16> digits{};
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                  XXH3_64bits(session.data(), session.size()), 16)
                        .ptr;
  return std::to_string(fence).append(1, '-').append(digits.data(), end);
}

const Hold* find_token(const LockRecord& record, std::string_view token) {
  const auto found = std::find_if(record.holders.begin(), record.holders.end(), [&](const Hold& hold) {
    return token_of(hold.who.session, hold.fence) == token;
  });
  return found == record.holders.end() ? nullptr : &*found;
}

}  // namespace dcache::locking
