// SPDX-License-Identifier: Apache-2.0
#include "dcache/check.hpp"

#include "cache/state.hpp"
#include "dcache/cache.hpp"
#include "dcache/error.hpp"
#include "dcache/store.hpp"

namespace dcache {

std::string_view name(Problem::Kind kind) noexcept {
  switch (kind) {
    case Problem::Kind::database:
      return "database";
    case Problem::Kind::index:
      return "index";
    case Problem::Kind::value:
      return "value";
    case Problem::Kind::tag:
      return "tag";
    case Problem::Kind::total:
      return "total";
    case Problem::Kind::settings:
      return "settings";
    case Problem::Kind::fence:
      return "fence";
    case Problem::Kind::leftover:
      return "leftover";
    case Problem::Kind::foreign:
      return "foreign";
  }
  return {};
}

CheckReport Cache::check(const CheckOptions& options) {
  Store& store = state_->store();
  if (store.in_transaction()) {
    throw Misuse(
        "a check works in many small steps, so it cannot be a part of Cache::transact; run it outside");
  }
  return store.check(options);
}

}  // namespace dcache
