// SPDX-License-Identifier: Apache-2.0
#include "store/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

// The library's own choice of instructions at run time, where it was built with it: on long values up to
// fifteen times as fast as what a compiler may use for every x86-64.
#if DCACHE_XXH_DISPATCH
extern "C" {
XXH64_hash_t XXH3_64bits_dispatch(const void* input, std::size_t size);
XXH_errorcode XXH3_64bits_update_dispatch(XXH3_state_t* state, const void* input, std::size_t size);
}
#endif

namespace dcache::store {

namespace {

/// From here on it is worth a call into the library.
[[maybe_unused]] constexpr std::size_t kLong = 512;

}  // namespace

std::uint64_t hash_of(std::string_view bytes) noexcept {
#if DCACHE_XXH_DISPATCH
  if (bytes.size() >= kLong) return XXH3_64bits_dispatch(bytes.data(), bytes.size());
#endif
  return XXH3_64bits(bytes.data(), bytes.size());
}

struct RunningHash::State {
  XXH3_state_t hash;
};

RunningHash::RunningHash() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->hash); }
RunningHash::RunningHash(RunningHash&&) noexcept = default;
RunningHash& RunningHash::operator=(RunningHash&&) noexcept = default;
RunningHash::~RunningHash() = default;

void RunningHash::add(std::string_view bytes) {
#if DCACHE_XXH_DISPATCH
  XXH3_64bits_update_dispatch(&state_->hash, bytes.data(), bytes.size());
#else
  XXH3_64bits_update(&state_->hash, bytes.data(), bytes.size());
#endif
}

std::uint64_t RunningHash::value() const { return XXH3_64bits_digest(&state_->hash); }

}  // namespace dcache::store
