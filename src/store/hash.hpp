// SPDX-License-Identifier: Apache-2.0
//
// XXH3, 64 bits: the hash that all checksums are made of. Part of the format on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace dcache::store {

std::uint64_t hash_of(std::string_view bytes) noexcept;

/// The hash of bytes that come in parts: the same as of the whole.
class RunningHash {
 public:
  RunningHash();
  RunningHash(RunningHash&&) noexcept;
  RunningHash& operator=(RunningHash&&) noexcept;
  ~RunningHash();
  void add(std::string_view bytes);
  [[nodiscard]] std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dcache::store
