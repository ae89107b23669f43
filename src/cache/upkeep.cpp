// SPDX-License-Identifier: Apache-2.0
#include "dcache/upkeep.hpp"

#include <string>

#include "cache/state.hpp"
#include "dcache/cache.hpp"
#include "dcache/error.hpp"
#include "dcache/store.hpp"

namespace dcache {

namespace {

Store& outside_of_transactions(const detail::CacheState& state, const char* what) {
  Store& store = state.store();
  if (!store.in_transaction()) return store;
  throw Misuse(std::string(what) + " cannot be a part of Cache::transact; run it outside");
}

}  // namespace

void Cache::backup(const std::filesystem::path& file, const BackupOptions& options) const {
  outside_of_transactions(*state_, "a backup").backup(file, options);
}

CompactReport Cache::compact(const CompactOptions& options) {
  return outside_of_transactions(*state_, "compact").compact(options);
}

}  // namespace dcache
